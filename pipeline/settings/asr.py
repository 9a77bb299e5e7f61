"""Settings of speech recognition."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt

from pipeline.base.language_codes import check_code
from pipeline.settings.section import Section

LanguageCode = Annotated[str, AfterValidator(check_code)]
"""A language code that Whisper uses, e.g. zh."""

Chinese = Literal["simplified", "traditional"]
"""A variant of the Chinese script. Traditional is that of Taiwan."""


class Asr(Section):
    """Speech recognition."""

    engine: Literal["ctranslate2", "openai-whisper"] = Field(
        "ctranslate2", description="engine that runs Whisper; docs/asr.md compares them"
    )
    model: str = Field("base", description="a Whisper size, a .pt file, or a CTranslate2 folder")
    folder: Path | None = Field(None, description="folder that is searched for weights first")
    download: bool = Field(True, description="download the weights if they are not found on this machine")
    revision: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{40}$",
        description="commit of the model on the hub, for ctranslate2 sizes without a pinned SHA-256",
    )
    adapters: bool = Field(True, description="use Voxwarden's Mandarin fine-tuning of `base`; docs/asr.md describes it")
    adapter_patience_seconds: float = Field(
        0.3,
        ge=0,
        description="while speech waits for longer, the adapter is left out: texts stay the same, and the judge gets "
        "fewer readings of Mandarin",
    )
    device: str = Field("auto", description="cpu, cuda, cuda:1, or auto")
    language: LanguageCode | None = Field(
        None, description="language of all utterances, e.g. zh; unset: detected for each utterance"
    )
    languages: tuple[LanguageCode, ...] = Field(
        ("en", "zh"),
        min_length=1,
        description="languages spoken in rooms; clear speech in another one is reported, and not transcribed",
    )
    chinese: Chinese = Field("simplified", description="characters of Mandarin transcripts; traditional: as in Taiwan")
    words: bool = Field(
        False, description="word times for every utterance (slower); off: estimated times, for flagged utterances"
    )
    batch: int = Field(8, ge=1, le=512, description="utterances decoded together; `voxwarden tune` finds the best")
    workers: PositiveInt | None = Field(None, description="batches decoded at the same time; unset: one per CPU core")
    early_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="recognise speech in the pause that may end it; seconds that this may waste, per second of speech; "
        "0: never",
    )
    beams: dict[LanguageCode, Annotated[int, Field(ge=1, le=20)]] = Field(
        {}, description="beam size by language; others: from its language.yaml, else 5 (openai-whisper: 1)"
    )
