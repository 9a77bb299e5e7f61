"""Whole numbers are the same on both databases."""

import pytest
from sqlalchemy import Double, literal, select, update

from pipeline.contract.messages import sample_of
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.quality.snapshot import ceiling, floor, nearest, verdict_now
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import CASES
from tests.builders import NOON, flag


@pytest.mark.parametrize(
    "value", [0.0, 0.4, 0.5, 0.6, 1.0, 1.5, 2.5, 3.5, 2.0**44 + 0.5, 2.0**44 + 1.5, 2.0**44 + 0.75]
)
def test_a_half_is_rounded_to_the_even_number(database: Database, value: float) -> None:
    assert whole(database, nearest(literal(value, Double))) == round(value)


@pytest.mark.parametrize("value", [0.0, 0.1, 0.9, 1.0, 7.5, 1e9 + 0.5])
def test_times_are_rounded_up_or_down(database: Database, value: float) -> None:
    column = literal(value, Double)
    assert whole(database, ceiling(column)) == -int(-value // 1)
    assert whole(database, floor(column)) == int(value)


def test_a_sample_is_the_one_of_the_tallies(database: Database) -> None:
    times = [at for step in range(2_000) if (at := NOON + step * 2.0**-22) * 16_000 % 1 == 0.5][:4]
    assert [whole(database, nearest(literal(at, Double) * 16_000)) for at in times] == list(map(sample_of, times))
    assert {sample % 2 for sample in map(sample_of, times)} == {0}
    assert len(times) == 4


def test_the_verdict_now_is_the_last_final_one(database: Database) -> None:
    store = SqlReviewStore(database)
    flags = [flag(name, at, at + 5) for at, name in ((0, "waits"), (10, "upheld"), (20, "escalated later"))]
    waits, upheld, escalated = (outcome.case for outcome in store.add(flags, NOON))
    for case in (upheld, escalated):
        store.decide(case, "ana", Choice(verdict="uphold"), NOON + 30)
    with database.write() as connection:
        connection.execute(update(CASES).where(CASES.c.id == escalated).values(verdict="escalate"))
        found = {row.id: row.verdict for row in connection.execute(select(CASES.c.id, verdict_now().label("verdict")))}
    assert found == {waits: None, upheld: "uphold", escalated: "uphold"}


def whole(database: Database, value: object) -> int:
    with database.read() as connection:
        return int(connection.execute(select(value)).scalar_one())  # type: ignore[call-overload]
