"""Load the settings from flags, environment and file, and explain mistakes."""

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from pipeline.base.errors import ConfigError
from pipeline.base.user_files import PREFIX, config_file
from pipeline.settings import removed_settings
from pipeline.settings.tree import Settings, in_file

log = logging.getLogger(__package__)

# Matches the variables that Kubernetes sets for a service named voxwarden or voxwarden-gateway, as NAME=VALUE.
OF_KUBERNETES = re.compile(
    r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)=|\w+_PORT=(tcp|udp|sctp)://"
)

NEAR = 0.8  # minimum similarity, from 0 to 1, at which an unknown name counts as a misspelt setting


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
    except RecursionError as error:  # only JSON in a variable: the file's depth is limited
        raise ConfigError("The environment: a variable is nested too deeply", "Use fewer brackets.") from error


def _explained(error: ValidationError, flags: Mapping[str, Any]) -> ConfigError:
    mistake = error.errors(include_input=False, include_url=False)[0]  # without the input, which may be a secret
    key = ".".join(map(str, mistake["loc"])).removesuffix(".[key]")  # Pydantic adds `[key]` if the key is the mistake
    known = sorted(keys())
    reason = mistake["msg"].removeprefix("Value error, ").replace("valid tuple", "valid list")  # as YAML calls it
    places = _places([key, *_named(key, reason, known)], flags)
    remedy = "`voxwarden config show` lists every key."
    if mistake["type"] == "extra_forbidden":
        reason = "there is no such setting"
        if gone := removed_settings.remedy_of(key):
            reason, remedy = removed_settings.REASON, gone
        elif near := nearest(key, known):
            remedy = f"Did you mean {near}? {remedy}"
    message = f"Setting {key}: {reason}" if key else reason
    return ConfigError(message + (f" (from {', '.join(places)})" if places else ""), remedy)


def _named(key: str, reason: str, known: Iterable[str]) -> list[str]:
    """The keys that the message names."""
    # An error of several keys belongs to their section, so the place of each is looked up by its name in the text.
    inside = f"{key}." if key else ""
    return [one for one in known if one.startswith(inside) and one.removeprefix(inside) in reason]


def _places(names: Iterable[str], flags: Mapping[str, Any]) -> list[str]:
    """Where these keys were set, without the defaults."""
    content = in_file()
    origins = dict.fromkeys(origin_of(name, flags, content) for name in names if name)
    return [origin for origin in origins if origin != "default"]


def check_environment() -> None:
    """Refuse an unknown section, which pydantic-settings would ignore. Warn of a misspelt setting."""
    for name, value in os.environ.items():
        if not name.upper().startswith(PREFIX) or name.upper() == PREFIX + "CONFIG":
            continue
        section, nested, _ = name[len(PREFIX) :].partition("__")
        if nested and section.lower() not in Settings.model_fields:
            if remedy := removed_settings.remedy_of(name[len(PREFIX) :].lower().replace("__", ".")):
                raise ConfigError(f"{name}: {removed_settings.REASON}", remedy)
            near = _nearest_variable(name)
            raise ConfigError(
                f"{name}: there is no section {section.lower()}",
                f"Did you mean {near}?" if near else "`voxwarden config show` lists every key.",
            )
        known = nested or section.lower() in Settings.model_fields or OF_KUBERNETES.match(f"{name}={value}")
        if not known and (near := _nearest_variable(name)):
            log.warning("%s is not a setting and is ignored. Did you mean %s?", name, near)


def _nearest_variable(name: str) -> str | None:
    """The variable of the most similar setting. Missing or additional underscores do not count."""
    known = {re.sub("_+", "_", key.replace(".", "_")): variable(key.split(".")) for key in keys()}
    found = nearest(re.sub("_+", "_", name[len(PREFIX) :].lower()), known)
    return known[found] if found else None


def keys(section: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """All keys, e.g. `asr.model`."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


def origin_of(key: str, flags: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """Where a key was set, in order of precedence: `--set`, a variable's name, the file's path, or `default`.

    `content` is what `in_file` returns.
    """
    path = key.split(".")
    if _holds(flags, path):
        return "--set"
    names = {name.upper(): name for name in os.environ}  # pydantic-settings ignores the case, too
    for length in range(len(path), 0, -1):  # VOXWARDEN_ASR__MODEL goes before VOXWARDEN_ASR='{"model": …}'
        if found := names.get(variable(path[:length])):
            return found
    return str(config_file()) if _holds(content, path) else "default"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The most similar of the `known` names, or None if none is similar."""
    return next(iter(get_close_matches(name, known, 1, NEAR)), None)


def variable(path: list[str]) -> str:
    """The environment variable of the key whose parts are `path`."""
    return PREFIX + "__".join(path).upper()


def _holds(tree: Any, path: list[str]) -> bool:
    """Whether `tree` has a value at `path`. A path that leads into a list counts as found."""
    for name in path:
        if isinstance(tree, list | tuple):
            return True
        if not isinstance(tree, Mapping) or name not in tree:
            return False
        tree = tree[name]
    return True
