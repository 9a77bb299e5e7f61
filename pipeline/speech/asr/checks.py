"""Checks of the settings that both engines need."""

from collections.abc import Callable

from pipeline.base.errors import ConfigError
from pipeline.settings import Asr


def check_languages(asr: Asr, knows: Callable[[str], bool], *, multilingual: bool) -> None:
    """Raise ConfigError if a language in the settings is unknown to Whisper or to this model."""
    named = {
        "asr.language": (asr.language,) if asr.language else (),
        "asr.languages": asr.languages if multilingual else (),
    }
    for key, codes in named.items():
        if strange := [code for code in codes if not knows(code)]:
            raise ConfigError(f"{key}: Whisper does not know {strange[0]!r}", "Use ISO 639-1 codes, e.g. en or zh.")
    if asr.language not in {None, "en"} and not multilingual:
        raise ConfigError(
            f"asr.language: {asr.model} knows only English, not {asr.language!r}", "Use a model without .en."
        )


def no_device(name: str) -> ConfigError:
    """The error for a device that this machine does not have."""
    return ConfigError(f"asr.device: this machine has no {name!r}", "Set cpu, cuda, cuda:1 or auto.")
