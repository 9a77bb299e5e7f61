"""The sides of the split. This module needs no PyTorch, whose import takes seconds."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from pipeline.judge.classifier_text import view
from pipeline.learning.case_split import SeenTexts
from pipeline.learning.training_rows import RISK, Part, Row, part_of


def split(rows: Sequence[Row]) -> dict[Part, list[Row]]:
    """Rows by side, as the classifier sees them. Of near-duplicates one stays, on the test side if possible.

    A risky and a harmless row of one group may be close: their contrast is the lesson.
    """
    sides: dict[Part, list[Row]] = {"test": [], "validation": [], "train": []}
    for row in rows:
        sides[part_of(row)].append(replace(row, text=view(row.text), own=view(row.own), room=view(row.room)))
    seen = SeenTexts()
    return {part: [*_distinct(side, seen)] for part, side in sides.items()}


def _distinct(rows: Sequence[Row], seen: SeenTexts) -> Iterator[Row]:
    """The rows that are not close to one in `seen`, nor to one before them, except the other row of their pair."""
    for _, group in groupby(rows, key=lambda row: (row.source, row.group or row.text)):
        fresh = [row for row in group if row.text not in seen]
        contrast = len(fresh) == 2 and {row.labels.get(RISK) for row in fresh} == {0, 1}
        yield from (row for row in fresh if not seen.add(row.text) or contrast)
