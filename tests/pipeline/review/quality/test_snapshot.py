"""Whole numbers are the same on both databases, and a snapshot takes time by the number of cases."""

from collections.abc import Sequence
from contextlib import closing

import pytest
from sqlalchemy import Double, insert, literal, or_, select, text, update

from pipeline.contract.messages import sample_of
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.quality import drawing
from pipeline.review.quality.snapshot import SNAPSHOT, UPHOLDS, ceiling, floor, nearest, take, verdict_now
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.case_tables import REPORTS
from pipeline.review.tables.core import CASES, DECISIONS
from tests.builders import NOON, flag
from tests.pipeline.assessment.reading import WEEK, steps
from tests.pipeline.review.quality.conftest import SECOND, Desk


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


def test_old_statistics_do_not_make_a_snapshot_quadratic(sqlite_url: str) -> None:
    """SQLite plans by statistics of 20 cases. A scan for each case would take 16 times the steps, not four times."""
    with closing(Database(sqlite_url)) as database:
        decide(database, range(20))
        with database.write() as connection:
            connection.execute(text("ANALYZE"))
        decide(database, range(20, 400))
        few = taken(database)
        decide(database, range(400, 1_600))
        assert few < taken(database) < 6 * few


@pytest.mark.parametrize("days", [-6, -1, 0, 2])
def test_a_bounded_snapshot_has_all_that_went_on_since_its_beginning(filled: Database, days: int) -> None:
    """It equals the part of a snapshot of the whole store: cases that are new, open or decided, and their decisions."""
    since = NOON + days * 86_400
    new = (SNAPSHOT.c.created_at >= since, SNAPSHOT.c.last_at.is_(None), SNAPSHOT.c.last_at >= since)
    every = select(*SNAPSHOT.columns[1:]).order_by(SNAPSHOT.c.id)  # without the number, which each snapshot counts anew
    kept = (every.where(or_(*new)), select(UPHOLDS).where(UPHOLDS.c.at >= since))
    with filled.read() as connection:
        take(connection, WEEK.until)
        cases, upholds = (connection.execute(query).all() for query in kept)
        take(connection, WEEK.until, since)
        assert connection.execute(every).all() == cases
        assert sorted(connection.execute(select(UPHOLDS))) == sorted(upholds)
    assert len({case.created_at >= since for case in cases}) == 2, "some of them are older"


@pytest.mark.parametrize("how", ["checked", "reported"])
def test_a_decided_case_is_in_a_bounded_snapshot_if_people_come_back_to_it(desk: Desk, how: str) -> None:
    """It was decided at NOON. A figure reads the verdict of a checked case, and of one that is reported again."""
    since = NOON + 3_600
    report = {"id": "r", "case_id": desk.case, "room": "r", "speaker": "", "reporter": "", "label": "fraud", "text": ""}
    with desk.database.write() as connection:
        take(connection, since + 60, since)
        assert connection.scalars(select(SNAPSHOT.c.id)).all() == []
        if how == "reported":
            connection.execute(insert(REPORTS).values(report | {"at": NOON, "created_at": since, "audio": "kept"}))
        else:
            drawing.draw(connection, desk.evidence, since, SECOND, 10)
        take(connection, since + 60, since)
        found = connection.execute(select(SNAPSHOT.c.verdict).where(SNAPSHOT.c.id == desk.case)).all()
    assert found == [("uphold",)]


def test_a_bounded_snapshot_does_not_read_what_was_decided_before(sqlite_url: str) -> None:
    with closing(Database(sqlite_url)) as database:
        decide(database, range(400))
        few = taken(database, NOON + 90)
        decide(database, range(400, 4_000))
        assert taken(database, NOON + 90) <= few + 1
        assert taken(database) > 50 * (few + 1)


def decide(database: Database, numbers: Sequence[int]) -> None:
    """Store a case for each number, with a decision. Their rows are copies, because `store.add` takes milliseconds."""
    store = SqlReviewStore(database)
    [made] = [outcome.case for outcome in store.add([flag(f"of {numbers[0]}", numbers[0], numbers[0] + 1)], NOON)]
    store.decide(made, "ana", Choice(verdict="uphold"), NOON + 30)
    with database.write() as connection:
        for table, column in ((CASES, CASES.c.id), (DECISIONS, DECISIONS.c.case_id)):
            row = dict(connection.execute(select(table).where(column == made)).mappings().one())
            copies = [row | {"id": f"{row['id']}-{n}", column.name: f"{made}-{n}"} for n in numbers]
            connection.execute(insert(table), copies)


def taken(database: Database, since: float = 0.0) -> int:
    """The steps of a snapshot, in thousands."""
    with database.write() as connection:
        return steps(connection, lambda: take(connection, NOON + 100, since))


def whole(database: Database, value: object) -> int:
    with database.read() as connection:
        return int(connection.execute(select(value)).scalar_one())  # type: ignore[call-overload]
