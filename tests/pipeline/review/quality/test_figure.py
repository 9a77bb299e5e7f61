"""Totals count the hours that begin in a window."""

import pytest

from pipeline.review.database import Database
from pipeline.review.delivery.speech_tallies import HOUR
from pipeline.review.quality.figure import Total, Totals, Window, hours, split, summed, totals
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag

SECOND = 16_000


@pytest.fixture
def filled(database: Database) -> Database:
    said = [
        flag("a", 0, 1),
        flag("b", 10, 12, language="en"),
        flag("c", HOUR, HOUR + 4),
        flag("d", 2 * HOUR, 2 * HOUR + 8),
    ]
    SqlReviewStore(database).add(said, NOON)
    return database


def test_hours_that_begin_in_the_window_count(filled: Database) -> None:
    with filled.read() as connection:
        found = totals(connection, Window(NOON, NOON + 2 * HOUR), ["monitored"], "measure", "language")
        assert found == {("monitored", "en"): Total(1, 2 * SECOND), ("monitored", "zh"): Total(2, 5 * SECOND)}
        assert totals(connection, Window(NOON + 1, NOON + HOUR), ["monitored"], "hour") == {}
        assert totals(connection, Window(NOON + 1, NOON + HOUR + 1), ["monitored"])[()] == Total(1, 4 * SECOND)
    assert len(hours(Window(NOON, NOON + 24 * HOUR))) == 24


def test_parts_add_up_to_the_whole() -> None:
    found: Totals = {("a", "x"): Total(1, 2), ("a", "y"): Total(3, 4), ("b", "x"): Total(5, 6)}
    assert summed(found) == Total(9, 12)
    assert summed(found, "a") == Total(4, 6)
    assert [(part, summed(some)) for part, some in split(found, kind=1)] == [
        ({}, Total(9, 12)),
        ({"kind": "x"}, Total(6, 8)),
        ({"kind": "y"}, Total(3, 4)),
    ]
