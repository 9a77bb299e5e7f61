"""Mistakes in the settings that both engines find, told alike."""

from pipeline.errors import ConfigError
from pipeline.settings import Asr


def check_language(asr: Asr, *, known: bool, multilingual: bool) -> None:
    """Raises ConfigError if `asr.language` is one that Whisper, or this model, does not know."""
    if asr.language and not known:
        raise ConfigError(f"asr.language: Whisper knows no {asr.language!r}", "Give an ISO 639-1 code, e.g. en or zh.")
    if asr.language not in {None, "en"} and not multilingual:
        raise ConfigError(
            f"asr.language: {asr.model} knows English alone, not {asr.language!r}", "Choose a model without .en."
        )


def no_device(name: str) -> ConfigError:
    return ConfigError(f"asr.device: there is no {name!r} here", "Set cpu, cuda, cuda:1 or auto.")
