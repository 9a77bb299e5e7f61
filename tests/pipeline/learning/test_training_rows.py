"""Sides of the split are stable and do not leak."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.learning.training_rows import CLEAN, LABELS, OUTPUTS, Row, negative, part_of, positive, untested

ROWS = [Row(f"text number {n}", "en", CLEAN, source="made") for n in range(2_000)]


def test_a_tenth_each_is_for_validation_and_for_the_test() -> None:
    sides = Counter(map(part_of, ROWS))
    assert sides["validation"] == pytest.approx(200, rel=0.2)
    assert sides["test"] == pytest.approx(200, rel=0.2)


def test_the_side_is_the_same_on_every_machine() -> None:
    sides = [part_of(row) for row in ROWS[:6]]
    assert sides == ["validation", "train", "train", "train", "train", "test"]


@given(st.text(min_size=1), st.text(), st.text())
def test_a_group_stays_on_one_side(group: str, one: str, other: str) -> None:
    assert len({part_of(Row(text, "en", CLEAN, source="made", group=group)) for text in (one, other)}) == 1


def test_the_authors_split_wins() -> None:
    assert [part_of(replace(ROWS[0], part=part)) for part in ("train", "validation", "test")] == [
        "train",
        "validation",
        "test",
    ]


def test_a_set_with_a_test_side_elsewhere_has_none_here() -> None:
    rows = [untested(row) for row in ROWS]
    assert {part_of(row) for row in rows} == {"train", "validation"}
    assert [part_of(row) == "validation" for row in rows] == [part_of(row) == "validation" for row in ROWS]


def test_a_positive_row_is_risky_and_a_negative_one_may_be() -> None:
    assert positive("abuse", "hate") == {"abuse": 1.0, "hate": 1.0, "risk": 1.0}
    assert negative("abuse") == {"abuse": 0.0}
    assert dict.fromkeys((*LABELS, "risk"), 0.0) == CLEAN
    assert tuple(CLEAN) == OUTPUTS
