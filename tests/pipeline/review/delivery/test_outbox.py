"""The outbox: when an event is due, who gets it, what a failure plans, and what an undo withdraws."""

from itertools import accumulate

import pytest
from sqlalchemy import select

from pipeline.review.database import Database
from pipeline.review.delivery import outbox
from pipeline.review.delivery.outbox import HELD_SECONDS, PAUSES, OutboxEvent
from pipeline.review.tables.core import OUTBOX
from tests.builders import NOON


def put(database: Database, about: str = "d1", send_at: float = NOON, kind: str = "case.decided") -> str:
    with database.write() as connection:
        return outbox.put(connection, kind, about, {"room": "茶馆", "of": about}, NOON, send_at)


def take(database: Database, at: float, limit: int = 20) -> list[OutboxEvent]:
    with database.write() as connection:
        return outbox.take(connection, at, limit)


def withdraw(database: Database, about: str = "d1", at: float = NOON + 5) -> None:
    with database.write() as connection:
        outbox.withdraw(connection, about, at)


def sent(database: Database, event: OutboxEvent) -> None:
    with database.write() as connection:
        outbox.sent(connection, event)


def refused(database: Database, event: OutboxEvent, error: str, at: float) -> bool:
    with database.write() as connection:
        return outbox.refused(connection, event, error, at)


def states(database: Database) -> list[tuple[str, str]]:
    with database.read() as connection:
        rows = connection.execute(select(OUTBOX.c.kind, OUTBOX.c.status).order_by(OUTBOX.c.kind, OUTBOX.c.about)).all()
    return [(row.kind, row.status) for row in rows]


def test_an_event_is_due_at_its_time_and_not_before(database: Database) -> None:
    identity = put(database, send_at=NOON + 10)
    assert take(database, NOON + 9.9) == []
    [event] = take(database, NOON + 10)
    assert event == OutboxEvent(identity, "case.decided", {"room": "茶馆", "of": "d1"}, NOON, 1)


def test_the_earliest_events_come_first(database: Database) -> None:
    late, early, middle = (put(database, name, NOON + at) for name, at in (("a", 3), ("b", 1), ("c", 2)))
    assert [event.id for event in take(database, NOON + 9, limit=2)] == [early, middle]
    assert [event.id for event in take(database, NOON + 9)] == [late]


def test_events_about_other_decisions_and_of_other_kinds_have_their_own_ids(database: Database) -> None:
    ids = {put(database, about, kind=kind) for about in ("d1", "d2") for kind in ("case.decided", "appeal.upheld")}
    assert len(ids) == 4


def test_another_sender_gets_an_event_only_after_the_time_to_report(database: Database) -> None:
    put(database)
    assert [event.attempts for event in take(database, NOON)] == [1]
    assert take(database, NOON + HELD_SECONDS - 0.1) == []
    assert [event.attempts for event in take(database, NOON + HELD_SECONDS)] == [2]


def test_a_sent_event_is_never_taken_again(database: Database) -> None:
    put(database)
    [event] = take(database, NOON)
    sent(database, event)
    assert take(database, NOON + 1e9) == []
    assert states(database) == [("case.decided", "sent")]


def test_every_failure_plans_a_later_try_until_there_are_no_more(database: Database) -> None:
    put(database)
    times = accumulate(PAUSES, initial=NOON)
    for attempt, (at, pause) in enumerate(zip(times, (*PAUSES, None), strict=True), start=1):
        [event] = take(database, at)
        assert event.attempts == attempt
        assert refused(database, event, "503", at) == (pause is None)
        if pause is not None:
            assert take(database, at + pause - 0.1) == []
    assert states(database) == [("case.decided", "failed")]
    assert take(database, NOON + 1e9) == []
    with database.read() as connection:
        assert outbox.failed(connection) == 1


def test_the_tries_go_on_for_more_than_a_day_with_growing_pauses() -> None:
    assert sum(PAUSES) > 86_400
    assert list(PAUSES) == sorted(PAUSES)


def test_a_success_clears_the_error_and_a_long_error_is_cut(database: Database) -> None:
    def error() -> str:
        with database.read() as connection:
            return str(connection.scalar(select(OUTBOX.c.error)))

    put(database)
    [event] = take(database, NOON)
    refused(database, event, "x" * 501, NOON)
    assert error() == "x" * 500
    [event] = take(database, NOON + PAUSES[0])
    sent(database, event)
    assert error() == ""


def test_an_undo_before_the_event_is_sent_tells_the_app_nothing(database: Database) -> None:
    put(database, send_at=NOON + 10)
    put(database, "other", send_at=NOON + 10)
    withdraw(database)
    assert states(database) == [("case.decided", "withdrawn"), ("case.decided", "waiting")]
    assert [event.payload["of"] for event in take(database, NOON + 1e9)] == ["other"]


@pytest.mark.parametrize("reported", [False, True])
def test_an_undo_of_an_event_that_the_app_may_have_sends_a_second_one(database: Database, reported: bool) -> None:
    put(database)
    [event] = take(database, NOON)
    if reported:
        sent(database, event)
    withdraw(database, at=NOON + 5)
    [undone] = [one for one in take(database, NOON + 5) if one.id != event.id]
    assert (undone.kind, undone.payload, undone.created_at) == ("case.undone", event.payload, NOON + 5)
