"""The keys of the settings, e.g. `asr.model`, and where each was set."""

import os
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel

from pipeline.base.user_files import PREFIX, config_file
from pipeline.settings.tree import Settings

NEAR = 0.8
"""Minimum similarity, from 0 to 1, at which an unknown name counts as a misspelt setting."""


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
    names = {name.upper(): name for name in os.environ}
    for length in range(len(path), 0, -1):
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
