"""Reads the files of training sets."""

import csv
import html
import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.base.errors import ConfigError

MARKUP = re.compile(r"https?://\S+|\brt @\w+:?|@\w+|\[(?:user|url)\]|&#?\w+;|[#\"“”]+", re.IGNORECASE)


def plain(text: str) -> str:
    """`text` without links, user names, hashtags, entities and quotation marks, which speech does not have."""
    return " ".join(MARKUP.sub(" ", html.unescape(text)).split())


def read_csv(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a CSV file as dicts; raises ConfigError if there is no file."""
    yield from csv.DictReader(read_lines(path, newline=""))


def read_lines(path: Path, newline: str | None = None) -> Iterator[str]:
    """The lines of a text file; raises ConfigError if there is no file."""
    if not path.is_file():
        raise ConfigError(f"No training set at {path}", "docs/learning.md says where the sets are.")
    with path.open(encoding="utf-8-sig", newline=newline) as file:
        yield from file
