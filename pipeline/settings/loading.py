"""Load the settings from flags, environment and file, and explain mistakes."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from pipeline.base.errors import ConfigError
from pipeline.settings.environment import check_environment
from pipeline.settings.file import in_file
from pipeline.settings.origin import keys, nearest, origin_of
from pipeline.settings.tree import Settings


def load(overrides: dict[str, Any] | None = None) -> Settings:
    """Read the settings from all sources. Raises ConfigError with the key, the mistake, and where the key was set."""
    flags = overrides or {}
    check_environment()
    try:
        return Settings(**flags)
    except ValidationError as error:
        raise _explained(error, flags) from error
    except SettingsError as error:
        remedy = """Lists are JSON there, e.g. VOXWARDEN_ASR__LANGUAGES='["en", "zh"]'."""
        raise ConfigError(f"The environment: {error}", remedy) from error


def _explained(error: ValidationError, flags: Mapping[str, Any]) -> ConfigError:
    mistake = error.errors(include_input=False, include_url=False)[0]
    key = ".".join(map(str, mistake["loc"])).removesuffix(".[key]")
    known = sorted(keys())
    reason = mistake["msg"].removeprefix("Value error, ")
    places = _places([key, *_named(key, reason, known)], flags)
    remedy = "`voxwarden config show` lists every key."
    if mistake["type"] == "extra_forbidden":
        reason = "there is no such setting"
        if near := nearest(key, known):
            remedy = f"Did you mean {near}? {remedy}"
    message = f"Setting {key}: {reason}" if key else reason
    return ConfigError(message + (f" (from {', '.join(places)})" if places else ""), remedy)


def _named(key: str, reason: str, known: Iterable[str]) -> list[str]:
    """The keys that the message names. An error that concerns several keys has no key of its own."""
    inside = f"{key}." if key else ""
    return [one for one in known if one.startswith(inside) and one.removeprefix(inside) in reason]


def _places(names: Iterable[str], flags: Mapping[str, Any]) -> list[str]:
    """Where these keys were set, without the defaults."""
    content = in_file()
    origins = dict.fromkeys(origin_of(name, flags, content) for name in names if name)
    return [origin for origin in origins if origin != "default"]
