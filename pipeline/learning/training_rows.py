"""A labelled text, and its side of the split."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from pipeline.judge.labels import load_labels

LABELS = tuple(load_labels().labels)
"""In the order of configs/labels.yaml. The model's outputs have the same order."""
RISK = "risk"
"""The output for any label. Sets often say that a text is fine without saying which labels it is free of."""
OUTPUTS = (*LABELS, RISK)

Part = Literal["train", "validation", "test"]
BUCKETS: Mapping[int, Part] = {0: "test", 1: "validation"}
"""Sides of two of the ten hash buckets. All other buckets are for training."""


@dataclass(frozen=True, slots=True)
class Row:
    """`labels` holds annotations, 0 or 1. A missing label is unknown, and the loss masks it."""

    text: str
    language: str
    labels: Mapping[str, float]
    source: str = ""
    weight: float = 1.0
    group: str = field(default="", compare=False)
    """Rows of one group (a dialogue, a sentence in two languages) stay on the same side of the split."""
    part: Part | None = None
    """The split of the set's authors. None: a hash of the group decides."""
    own: str = field(default="", compare=False)
    """The words of the same speaker before this text, if the set has them."""
    room: str = field(default="", compare=False)
    """The words of others before this text, if the set has them."""


def positive(*labels: str) -> dict[str, float]:
    return dict.fromkeys((*labels, RISK), 1.0)


def negative(*labels: str) -> dict[str, float]:
    """Annotated as free of `labels`. The text may still be risky."""
    return dict.fromkeys(labels, 0.0)


CLEAN: Mapping[str, float] = negative(*OUTPUTS)
"""Free of every label."""


def part_of(row: Row) -> Part:
    """The row's side: 80 / 10 / 10 by a hash of its group, the same on every machine."""
    if row.part:
        return row.part
    # Not `hash`, which differs between processes.
    return BUCKETS.get(zlib.crc32(f"{row.source}/{row.group or row.text}".encode()) % 10, "train")


def untested(row: Row) -> Row:
    """`row` for a set that has its test side elsewhere: it is only used for training or validation."""
    return replace(row, part="validation" if part_of(row) == "validation" else "train")
