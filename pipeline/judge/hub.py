"""Ids of the Hugging Face hub. What a name there gives can change, a commit cannot: so an id is taken only with one."""

import re
from pathlib import Path

from pipeline.errors import ConfigError

ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
LATEST = "main"
"""Of a folder, which has no commits."""
COMMIT = re.compile(r"[0-9a-f]{40}")


def is_id(source: str) -> bool:
    """Whether `source` is no folder here, but `owner/name` or `owner/name@commit`."""
    return not Path(source).is_dir() and ID.fullmatch(source.partition("@")[0]) is not None


def commit_of(source: str, setting: str) -> tuple[str, str]:
    """`owner/name` and the commit of an id; raises ConfigError for one without. `setting` says where it stands."""
    name, _, commit = source.partition("@")
    if not COMMIT.fullmatch(commit):
        raise ConfigError(
            f"{setting}: there is no folder {source}, and a model of the hub needs the commit that you trust",
            f"Write {name}@COMMIT, with the 40 digits that the history of its files on the hub shows.",
        )
    return name, commit


def is_fetched(source: str) -> bool:
    """Whether the model of this id is in the hub's cache on this machine."""
    from huggingface_hub import try_to_load_from_cache

    name, commit = commit_of(source, "judge.model")
    return isinstance(try_to_load_from_cache(name, "config.json", revision=commit), str)
