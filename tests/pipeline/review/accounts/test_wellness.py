"""Wellness: the counts, due breaks, and the lease during a break."""

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from pipeline.base.errors import CaseError, Taken
from pipeline.review.accounts import wellness
from pipeline.review.accounts.accounts import ViewingLimits
from pipeline.review.accounts.wellness import Meter, stretch
from pipeline.review.cases import case_queue, deciding, leases
from pipeline.review.cases.case_queue import QueueFilter, Ranking
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.people_tables import BREAKS, LISTENED
from tests.builders import NOON, flag

SEVERE = Ranking({"violence": 2, "abuse": 1})


def stored(database: Database, count: int, label: str = "violence") -> list[str]:
    flags = [flag(f"{label}{n}", n * 100, n * 100 + 5, flagged=(label,), speaker=label) for n in range(count)]
    return [one.case for one in SqlReviewStore(database, ranking=SEVERE).add(flags, NOON)]


def decide(database: Database, cases: list[str], at: float = NOON) -> None:
    for n, case in enumerate(cases):
        with database.write() as connection:
            deciding.decide(connection, case, "ana", Choice(verdict="dismiss"), at + n)


def read(database: Database, at: float, comfort: ViewingLimits | None = None, who: str = "ana") -> Meter:
    with database.read() as connection:
        return wellness.meter(connection, who, comfort or ViewingLimits(), at)


def test_the_meter_counts_by_person_and_shift(database: Database) -> None:
    decide(database, [*stored(database, 2), *stored(database, 3, "abuse")])
    with database.write() as connection:
        for at in (NOON, NOON + 30):
            wellness.listen(connection, "ana", 30.0, at)
    found = read(database, NOON + 60)
    assert (found.minutes, found.severe, found.over) == (1.0, 2, False)
    assert read(database, NOON + 60, who="ben").severe == 0
    later = read(database, NOON + wellness.SHIFT_SECONDS + 60)
    assert (later.minutes, later.severe) == (0.0, 0)


@pytest.mark.parametrize(
    ("acts", "began"),
    [
        ([], None),
        ([0, 300, 900], None),  # the last action is ten minutes ago
        ([900, 1200], 900),
        ([0, 700, 1200], 700),
        ([1200], 1200),
    ],
)
def test_a_pause_ends_a_period_of_work(acts: list[float], began: float | None) -> None:
    assert stretch(acts, 1500) == began


def test_a_break_is_due_after_minutes_or_severe_cases(database: Database) -> None:
    decide(database, stored(database, 3))
    assert read(database, NOON + 60, ViewingLimits(break_severe=3)).break_due
    assert not read(database, NOON + 60, ViewingLimits(break_severe=4)).break_due
    with database.write() as connection:
        for minute in range(51):
            wellness.listen(connection, "ana", 1.0, NOON + 60 * minute)
    assert read(database, NOON + 50 * 60).break_due
    with database.write() as connection:
        wellness.start_break(connection, "ana", NOON + 50 * 60)
        assert not wellness.meter(connection, "ana", ViewingLimits(), NOON + 51 * 60).break_due
        wellness.end_break(connection, "ana", NOON + 55 * 60)
        wellness.listen(connection, "ana", 1.0, NOON + 56 * 60)
    found = read(database, NOON + 57 * 60)
    assert (found.worked_minutes, found.severe_since_break, found.severe) == (1.0, 0, 3)


def test_a_break_pauses_the_lease(database: Database) -> None:
    [case] = stored(database, 1)
    with database.write() as connection:
        lease = leases.claim(connection, case, "ana", NOON, 300)
        wellness.start_break(connection, "ana", NOON + 100)
    with database.write() as connection, pytest.raises(Taken):
        leases.claim(connection, case, "ben", NOON + 1_000)
    with database.write() as connection:
        wellness.end_break(connection, "ana", NOON + 1_200)
        wellness.end_break(connection, "ana", NOON + 1_300)
        assert leases.check_lease(connection, lease.id, "ana").expires_at == NOON + 1_400


def test_two_breaks_at_once_are_one(database: Database) -> None:
    with database.write() as connection:
        wellness.start_break(connection, "ana", NOON)
        with pytest.raises(IntegrityError), connection.begin_nested():
            connection.execute(insert(BREAKS).values(account="ana", started_at=NOON, left_seconds=0.0))
        wellness.end_break(connection, "ana", NOON + 1)
        wellness.start_break(connection, "ana", NOON + 2)
        assert wellness.meter(connection, "ana", ViewingLimits(), NOON + 3).on_break


def test_a_lease_waits_at_most_half_an_hour(database: Database) -> None:
    [case] = stored(database, 1)
    with database.write() as connection:
        leases.claim(connection, case, "ana", NOON, 300)
        wellness.start_break(connection, "ana", NOON)
        other = leases.claim(connection, case, "ben", NOON + wellness.LONGEST_BREAK_SECONDS, 300)
        wellness.end_break(connection, "ana", NOON + 4_000)
        assert leases.lease_of(connection, case) == other


def test_the_queue_leaves_out_excluded_labels_and_cases_over_the_limit(database: Database) -> None:
    severe, mild = stored(database, 2), stored(database, 1, "abuse")
    with database.read() as connection:
        opted = wellness.without(
            connection, "ana", wellness.meter(connection, "ana", ViewingLimits(without=("abuse",)), NOON), NOON
        )
        assert {case.id for case in case_queue.list_queue(connection, QueueFilter(without=opted))} == set(severe)
        assert case_queue.count_queue(connection, QueueFilter(without=opted)) == 2
    decide(database, severe[:1])
    with database.read() as connection:
        capped = wellness.without(
            connection, "ana", wellness.meter(connection, "ana", ViewingLimits(most_severe=1), NOON + 60), NOON + 60
        )
        assert case_queue.next_free(connection, "ana", NOON, QueueFilter(without=capped)) == mild[0]
        assert [case.id for case in case_queue.list_queue(connection, QueueFilter(without=capped))] == mild
        unbound = wellness.without(
            connection, "ben", wellness.meter(connection, "ben", ViewingLimits(most_severe=1), NOON + 60), NOON + 60
        )
        assert case_queue.next_free(connection, "ben", NOON, QueueFilter(without=unbound)) == severe[1]


def test_the_limit_of_listening_minutes(database: Database) -> None:
    with database.write() as connection:
        wellness.listen(connection, "ana", 300.0, NOON)
        wellness.allow(wellness.meter(connection, "ana", ViewingLimits(most_minutes=6), NOON))
        with pytest.raises(CaseError, match="for 5 minutes"):
            wellness.allow(wellness.meter(connection, "ana", ViewingLimits(most_minutes=5), NOON))


def test_records_of_an_earlier_shift_are_deleted(database: Database) -> None:
    later = NOON + wellness.SHIFT_SECONDS
    with database.write() as connection:
        for at in (NOON, later):
            wellness.listen(connection, "ana", 30.0, at)
            wellness.start_break(connection, "ana", at)
            wellness.end_break(connection, "ana", at)
        wellness.start_break(connection, "ana", later + 1)
    with database.read() as connection:
        assert connection.scalars(select(LISTENED.c.at)).all() == [later]
        assert connection.scalars(select(BREAKS.c.started_at).order_by(BREAKS.c.id)).all() == [later, later + 1]
