"""Ids of models on the Hugging Face hub. An id needs a commit, because the files under a name can change."""

import re
from pathlib import Path

from pipeline.base.errors import ConfigError

ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
LATEST = "main"
"""The version of a local folder, which has no commits."""
COMMIT = re.compile(r"[0-9a-f]{40}")


def is_id(source: str) -> bool:
    """Whether `source` is `owner/name` or `owner/name@commit`, and not a local folder."""
    return not Path(source).is_dir() and ID.fullmatch(source.partition("@")[0]) is not None


def commit_of(source: str, setting: str) -> tuple[str, str]:
    """Splits an id into `owner/name` and commit. Raises ConfigError, which names `setting`, if it has no commit."""
    name, _, commit = source.partition("@")
    if not COMMIT.fullmatch(commit):
        raise ConfigError(
            f"{setting}: there is no folder {source}, and a hub model needs a commit",
            f"Write {name}@COMMIT, with the 40 digits that the history of its files on the hub shows.",
        )
    return name, commit


def is_fetched(source: str, setting: str = "judge.model") -> bool:
    """Whether this machine's hub cache holds the model."""
    from huggingface_hub import try_to_load_from_cache

    name, commit = commit_of(source, setting)
    return isinstance(try_to_load_from_cache(name, "config.json", revision=commit), str)
