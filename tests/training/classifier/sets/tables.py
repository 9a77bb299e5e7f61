"""Writes the files of a training set, with a few rows."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.learning.training_rows import Row
from training.classifier.sets import read


def write(path: Path, columns: str, *rows: Sequence[object]) -> None:
    """Write a CSV file with these columns, which spaces separate."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns.split(), *rows])


def read_set(folder: Path, name: str) -> dict[str, Row]:
    """The rows of a set by their text."""
    rows = list(read(folder, (name,)))
    assert {row.source for row in rows} <= {name}
    assert len({row.text for row in rows}) == len(rows)
    return {row.text: row for row in rows}


def labels(folder: Path, name: str) -> dict[str, Mapping[str, float]]:
    """The annotations of each text of a set."""
    return {text: row.labels for text, row in read_set(folder, name).items()}
