"""Everything that depends on a language, found by its code: one folder for each language.

`pipeline/speech/languages/<code>/` has the shipped languages. `languages/<code>/` beside the configuration file has the
user's own; a file in it replaces the shipped file of the same name. Every file is optional:

    language.yaml       names, settings of the recogniser, silence phrases, the notice of AI
    lexicon.yaml        terms for the judge
    console.yaml        texts of the review console; missing texts are English
    adapters/MODEL.npz  additions to Whisper's weights
    talk.npz            a model of ordinary talk, which ranks the recogniser's readings
    script.py           a `Script`, if the language needs code; in shipped folders only

A language without a folder has the defaults of `Language`.
"""

import unicodedata
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipeline.base import user_files
from pipeline.base.errors import ConfigError
from pipeline.base.user_files import StrictModel, config_file
from pipeline.settings.speech import check_code
from pipeline.speech.languages.writing_systems import Script

SHIPPED = Path(__file__).parent
FALLBACK = "en"
"""The language of a text that no script identifies, and of console texts that are not translated."""


class RecogniserSettings(StrictModel):
    """How Whisper's output in this language is searched and checked."""

    beam: int | None = Field(None, ge=1, le=20)
    """Width of the first search. None: the default of the engine."""
    sure_logprob: float = Field(-1.0, le=0)
    """Mean log-probability per token below which a clip is decoded again. -1 is openai-whisper's own limit."""
    tokens_per_second: int = Field(12, ge=1)
    """Nobody speaks faster. A longer text was invented."""
    own_length: bool = False
    """Encode a clip at its own length instead of padding it with zeros up to one of the engine's limits."""
    ranking: Literal["mean", "sum"] = "mean"
    """The best of several texts has the highest mean log-probability per token, or the highest sum.

    To the sum, one is added for each character, because each character costs some probability.
    """
    talk_weight: float = Field(0.0, ge=0, le=1)
    """Weight of `talk.npz` in the ranking: how much it counts that people usually say these words. With a sum only."""


def _check_phrase(phrase: str) -> str:
    if not any(character.isalnum() for character in phrase):
        raise ValueError(f"{phrase!r} has no letters")
    return phrase


Phrase = Annotated[str, AfterValidator(_check_phrase)]
"""Case and punctuation do not count."""
SilencePhrase = Phrase
"""Spaces do not count either. `*` is any text."""


class SilencePhrases(StrictModel):
    """Texts that Whisper writes when nobody speaks."""

    credits: tuple[SilencePhrase, ...] = ()
    """Nobody says these in a voice room: always marked."""
    doubtful: tuple[SilencePhrase, ...] = ()
    """People also say these: marked only if the recogniser doubts that anyone spoke."""


class NoticeWords(StrictModel):
    """Words of the spoken notice that speech was made by AI: one for AI, and one for generated near it."""

    intelligence: tuple[Phrase, ...] = ()
    generated: tuple[Phrase, ...] = ()
    denied: tuple[Phrase, ...] = ()
    """Words before or between them that make it no notice, like "not"."""


class Language(StrictModel):
    """The file `language.yaml`, and the defaults of a language that has none."""

    name: str = ""
    """In the language itself. Empty: the code."""
    tag: str = ""
    """For HTML, as in BCP 47. Empty: the code."""
    recogniser: RecogniserSettings = RecogniserSettings()
    silence_phrases: SilencePhrases = SilencePhrases()
    ai_notice: NoticeWords = NoticeWords()


@cache
def read_language(code: str) -> Language:
    """The language with that code; raises ConfigError if its file has a mistake. A file is read once."""
    path = file(code, "language.yaml")
    return user_files.read_user_file(path, Language) if path else Language()


def known() -> tuple[str, ...]:
    """Return the codes of all languages that have a folder in one of the folders `languages`, sorted.

    Raises ConfigError for a folder whose name is not a code.
    """
    return tuple(sorted({code for folder in _folders() for code in _codes(folder)}))


def check_language_files() -> None:
    """Read every `language.yaml`; raises ConfigError for a mistake."""
    for code in known():
        read_language(code)


def file(code: str, name: str) -> Path | None:
    """The user's file of that name in the language's folder, else the shipped file, else None."""
    return next(iter(files(code, name)), None)


def files(code: str, name: str) -> list[Path]:
    """The user's file of that name and the shipped one, as far as they exist."""
    return [path for folder in _folders() if (path := folder / code / name).is_file()]


@cache  # an utterance asks for its language some dozens of times, and the configuration file stays the same
def own_folder() -> Path:
    """Where users add languages: `languages/` beside the configuration file."""
    return config_file().parent / "languages"


@cache
def scripts() -> tuple[Script, ...]:
    """The scripts that need code. Each text passes through all of them, because speakers mix languages."""
    # Shipped ones only: the files of users are data, and never run as code.
    codes = sorted(path.parent.name for path in SHIPPED.glob("*/script.py"))
    return tuple(import_module(f"{__name__}.{code}.script").SCRIPT for code in codes)


def script_language(text: str) -> str:
    """The code of the language whose script is in `text`, else `en`."""
    return next((script.language for script in scripts() if script.is_in(text)), FALLBACK)


def is_in_other_script(text: str) -> bool:
    """Whether most letters are neither Latin nor of one of the `scripts`: of most Russian, Arabic or Korean texts.

    Styled letters, such as those of mathematics, count as what they look like.
    """
    letters = [letter for letter in unicodedata.normalize("NFKC", text) if letter.isalpha()]
    latin = sum(unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
    return 2 * latin < len(letters) and not any(script.is_in(text) for script in scripts())


def _folders() -> tuple[Path, ...]:
    return own_folder(), SHIPPED  # the first file that is found is used


def _codes(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    # Python adds `__pycache__`.
    names = [path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))]
    return [_checked(name, folder) for name in names]


def _checked(name: str, folder: Path) -> str:
    try:
        return check_code(name)
    except ValueError as error:
        raise ConfigError(f"{folder / name}: {error}", "Name the folder by the code of its language.") from error
