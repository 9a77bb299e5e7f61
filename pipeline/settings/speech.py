"""Settings of speech recognition, and the language codes that Whisper writes, for policies and transcripts, too."""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, field_validator, model_validator

from pipeline.contract.messages import EARLY_SECONDS
from pipeline.settings.section import Section

CODES = frozenset(
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml"  # noqa: SIM905
    " cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am"
    " yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue".split()
)

# Names of countries and languages that people give instead.
COMMON_MISTAKES = {
    "cn": "zh", "chinese": "zh", "mandarin": "zh", "cmn": "zh", "tw": "zh", "hk": "yue", "cantonese": "yue",
    "us": "en", "gb": "en", "english": "en", "jp": "ja", "japanese": "ja", "kr": "ko", "korean": "ko",
    "ua": "uk", "gr": "el", "cz": "cs", "dk": "da", "se": "sv", "vn": "vi", "jv": "jw", "in": "hi",
    "german": "de", "french": "fr", "spanish": "es", "russian": "ru", "portuguese": "pt", "arabic": "ar",
}  # fmt: skip


def check_code(code: str) -> str:
    """`code`, if Whisper writes it; raises ValueError with the nearest one that it does."""
    if code in CODES:
        return code
    low = code.lower()
    base = low.replace("_", "-").partition("-")[0]
    near = COMMON_MISTAKES.get(low) or COMMON_MISTAKES.get(base) or (base if base in CODES else None)
    near = near or next(iter(get_close_matches(low, CODES, 1)), None)
    raise ValueError(f"{code!r} is no language code of Whisper" + (f" (did you mean {near}?)" if near else ""))


LanguageCode = Annotated[str, AfterValidator(check_code)]
"""A language code that Whisper uses, e.g. zh."""

Chinese = Literal["simplified", "traditional"]
"""A variant of the Chinese script. Traditional: as in Taiwan."""


class Asr(Section):
    """Speech recognition."""

    engine: Literal["auto", "ctranslate2", "openai-whisper"] = Field(
        "auto", description="engine that runs Whisper; auto: openai-whisper on a GPU, ctranslate2 on the CPU"
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
    device: str = Field("auto", description="cpu, cuda, cuda:1, or auto: the GPU if it works, else the CPU")
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
    batch: int | None = Field(
        None,
        ge=1,
        le=512,
        description="utterances decoded together; unset: 8 on a CPU, on a GPU what its free memory takes",
    )
    workers: PositiveInt | None = Field(None, description="batches decoded at the same time; unset: one per CPU core")


class Audio(Section):
    """Voice activity detection, and the segmentation of speech into utterances."""

    max_seconds: float = Field(
        15.0, ge=3, le=30, description="maximum seconds of an utterance; Whisper takes at most 30"
    )
    hangover_seconds: float = Field(0.6, gt=0, le=5, description="seconds of silence that end an utterance")
    early_seconds: float = Field(
        EARLY_SECONDS,
        ge=0,
        le=30,
        description="seconds after which unbroken speech is judged so far, again and again; 0: off",
    )
    idle_seconds: float = Field(
        3.0, gt=0, le=60, description="seconds without a chunk after which unfinished speech is sent on"
    )

    @field_validator("early_seconds")
    @classmethod
    def _check_early(cls, seconds: float) -> float:
        # The ids of flags need so much speech, and each time costs a recognition.
        if 0 < seconds < EARLY_SECONDS:
            raise ValueError(f"is 0, or at least {EARLY_SECONDS:g}")
        return seconds


class RoomShare(Section):
    """The minimum share of a room type that is transcribed under overload."""

    name: str = Field(
        min_length=1, max_length=256, description="a room type; `other` means each room type that is not listed"
    )
    share: float = Field(0.1, ge=0, le=1, description="minimum share of its utterances that is transcribed")


class Overload(Section):
    """Which utterances are skipped when more arrive than the workers can transcribe."""

    enabled: bool = Field(
        True, description="skip utterances under overload; off: all of them wait, e.g. a backlog of recordings"
    )
    start_seconds: PositiveFloat = Field(
        60.0, description="seconds that the oldest utterance must wait before any utterance is skipped"
    )
    catch_up_seconds: PositiveFloat = Field(
        7_200.0, description="nothing is skipped if the worker can clear the backlog within these seconds"
    )
    room_types: tuple[RoomShare, ...] = Field(
        (
            RoomShare(name="game"),
            RoomShare(name="default"),
            RoomShare(name="other"),
            RoomShare(name="kids", share=0.5),
        ),
        description="room types, the first is skipped first; if `other` is absent, unlisted types are never skipped",
    )

    @model_validator(mode="after")
    def _check(self) -> "Overload":
        if len({kind.name for kind in self.room_types}) < len(self.room_types):
            raise ValueError("room_types lists a room type twice")
        return self
