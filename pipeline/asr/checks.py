"""Mistakes in the settings that both engines find, told alike."""

from collections.abc import Callable

from pipeline.errors import ConfigError
from pipeline.settings import Asr


def check_languages(asr: Asr, knows: Callable[[str], bool], *, multilingual: bool) -> None:
    """Raises ConfigError if the settings name a language that Whisper, or this model, does not know."""
    named = {
        "asr.language": (asr.language,) if asr.language else (),
        "asr.languages": asr.languages if multilingual else (),
    }
    for key, codes in named.items():
        if strange := [code for code in codes if not knows(code)]:
            raise ConfigError(f"{key}: Whisper knows no {strange[0]!r}", "Give ISO 639-1 codes, e.g. en or zh.")
    if asr.language not in {None, "en"} and not multilingual:
        raise ConfigError(
            f"asr.language: {asr.model} knows English alone, not {asr.language!r}", "Choose a model without .en."
        )


def no_device(name: str) -> ConfigError:
    return ConfigError(f"asr.device: there is no {name!r} here", "Set cpu, cuda, cuda:1 or auto.")
