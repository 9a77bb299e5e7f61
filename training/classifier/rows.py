"""A labelled text, and on which side of the split it falls."""

import csv
import html
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from pipeline.errors import ConfigError

LABELS = (
    "sexual",
    "abuse",
    "hate",
    "violence",
    "self_harm",
    "minor_safety",
    "terror_extremism",
    "political_sensitive",
    "illegal_trade",
    "fraud",
    "ads_spam",
    "privacy",
)
RISK = "risk"
"""Any label at all: an output of its own, since sets often say that a text is fine without saying of what."""
OUTPUTS = (*LABELS, RISK)

Part = Literal["train", "validation", "test"]
BUCKETS: Mapping[int, Part] = {0: "test", 1: "validation"}
"""Of ten; all others train."""

MARKUP = re.compile(r"https?://\S+|\brt @\w+:?|@\w+|\[(?:user|url)\]|&#?\w+;|[#\"“”]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """`labels` holds what somebody annotated, 0 or 1; a label that is absent is unknown, and is masked in the loss."""

    text: str
    language: str
    labels: Mapping[str, float]
    source: str = ""
    weight: float = 1.0
    group: str = field(default="", compare=False)
    """Rows of one group (a dialogue, a sentence in two languages) stay on one side of the split."""
    part: Part | None = None
    """As the set's authors split it; None: by hash of the group."""


def positive(*labels: str) -> dict[str, float]:
    return dict.fromkeys((*labels, RISK), 1.0)


def negative(*labels: str) -> dict[str, float]:
    """Annotated as free of `labels`, which does not make it free of risk."""
    return dict.fromkeys(labels, 0.0)


CLEAN: Mapping[str, float] = negative(*OUTPUTS)
"""Free of everything."""


def part_of(row: Row) -> Part:
    """The row's side: 80 / 10 / 10 by a hash of its group, the same in every run and on every machine."""
    if row.part:
        return row.part
    return BUCKETS.get(zlib.crc32(f"{row.source}/{row.group or row.text}".encode()) % 10, "train")


def untested(row: Row) -> Row:
    """`row`, of a set whose test side lies elsewhere: nothing of it is held out but for validation."""
    return replace(row, part="validation" if part_of(row) == "validation" else "train")


def plain(text: str) -> str:
    """`text` without what only writing has: links, user names, hashtags, entities, quotation marks."""
    return " ".join(MARKUP.sub(" ", html.unescape(text)).split())


def read_csv(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a CSV file as dicts; raises ConfigError where there is none."""
    yield from csv.DictReader(read_lines(path, newline=""))


def read_lines(path: Path, newline: str | None = None) -> Iterator[str]:
    """The lines of a text file; raises ConfigError where there is none."""
    if not path.is_file():
        raise ConfigError(f"No training set at {path}", "docs/training.md says where the sets are.")
    with path.open(encoding="utf-8-sig", newline=newline) as file:
        yield from file
