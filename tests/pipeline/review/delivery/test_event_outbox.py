"""The outbox: when an event is due, the order in a room, what a failure plans, and what is withdrawn or dropped."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from pipeline.review.database import Database
from pipeline.review.delivery import event_outbox
from pipeline.review.delivery.event_outbox import GIVE_UP_SECONDS, PAUSES, OutboxEvent, Waiting
from pipeline.review.delivery.events_for_apps import RAISED
from pipeline.review.tables.core import OUTBOX
from tests.builders import NOON

HOLD = 15.0


def put(
    database: Database, about: str = "d1", send_at: float = NOON, kind: str = "case.decided", room: str = ""
) -> str:
    """Store an event about `about`, by default in a room of its own."""
    with database.write() as connection:
        return event_outbox.store_event(connection, kind, about, {"room": room or about, "of": about}, NOON, send_at)


def take(database: Database, at: float, limit: int = 20, retries: int = 20) -> list[OutboxEvent]:
    with database.write() as connection:
        return event_outbox.take(connection, at, HOLD, limit, retries)


def withdraw(database: Database, about: str = "d1", at: float = NOON + 5) -> None:
    with database.write() as connection:
        event_outbox.withdraw(connection, about, at)


def sent(database: Database, event: OutboxEvent) -> None:
    with database.write() as connection:
        event_outbox.sent(connection, event, NOON)


def refused(database: Database, event: OutboxEvent, error: str, next_at: float) -> bool:
    with database.write() as connection:
        return event_outbox.refused(connection, event, error, next_at)


def trim(database: Database, most: int) -> int:
    with database.write() as connection:
        return event_outbox.trim(connection, most)


def states(database: Database) -> list[tuple[str, str]]:
    with database.read() as connection:
        rows = connection.execute(select(OUTBOX.c.kind, OUTBOX.c.status).order_by(OUTBOX.c.kind, OUTBOX.c.about)).all()
    return [(row.kind, row.status) for row in rows]


def abouts(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(select(OUTBOX.c.about).order_by(OUTBOX.c.due_at, OUTBOX.c.id)))


def test_an_event_is_due_at_its_time_and_not_before(database: Database) -> None:
    identity = put(database, send_at=NOON + 10)
    assert take(database, NOON + 9.9) == []
    with database.read() as connection:
        assert [event_outbox.any_due(connection, NOON + at) for at in (9.9, 10)] == [False, True]
    [event] = take(database, NOON + 10)
    assert event == OutboxEvent(identity, "case.decided", {"room": "d1", "of": "d1"}, NOON, NOON + 10, 1)


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
    assert take(database, NOON + HOLD - 0.1) == []
    assert [event.attempts for event in take(database, NOON + HOLD)] == [2]


def test_a_sent_event_is_never_taken_again(database: Database) -> None:
    put(database)
    [event] = take(database, NOON)
    sent(database, event)
    assert take(database, NOON + 1e9) == []
    assert states(database) == [("case.decided", "sent")]


def test_the_events_of_a_room_wait_for_each_other_and_not_for_other_rooms(database: Database) -> None:
    put(database, "second", NOON + 1, room="茶馆")
    put(database, "first", NOON, room="茶馆")
    put(database, "elsewhere", NOON + 2, room="lobby")
    first, elsewhere = take(database, NOON + 5)
    assert (first.payload["of"], elsewhere.payload["of"]) == ("first", "elsewhere")
    assert take(database, NOON + 5) == []
    refused(database, first, "503", NOON + 6)
    assert take(database, NOON + 5.9) == []
    [again] = take(database, NOON + 6)
    assert (again.id, again.attempts) == (first.id, 2)
    sent(database, again)
    assert [event.payload["of"] for event in take(database, NOON + 6)] == ["second"]


def test_an_event_of_the_future_holds_up_none_that_is_due_before(database: Database) -> None:
    put(database, "decision", NOON + 10, room="lobby")
    put(database, "flag", NOON + 1, RAISED, room="lobby")
    assert [event.payload["of"] for event in take(database, NOON + 1)] == ["flag"]


def test_an_event_that_steps_aside_is_tried_on_and_holds_up_nothing(database: Database) -> None:
    put(database, "poison", NOON, room="lobby")
    put(database, "next", NOON + 1, room="lobby")
    [poison] = take(database, NOON + 1)
    with database.write() as connection:
        event_outbox.step_aside(connection, poison)
        event_outbox.refused(connection, poison, "500", NOON + 60)
    assert [event.payload["of"] for event in take(database, NOON + 1)] == ["next"]
    assert {event.payload["of"]: event.attempts for event in take(database, NOON + 60)} == {"next": 2, "poison": 2}


def test_retries_take_only_their_share_and_new_events_the_rest(database: Database) -> None:
    for number in range(4):
        put(database, f"old {number}")
    for event in take(database, NOON):
        refused(database, event, "503", NOON + 1)
    for number in range(4):
        put(database, f"new {number}", NOON + 2)
    taken = take(database, NOON + 2, limit=3, retries=1)
    assert Counter(event.attempts for event in taken) == {2: 1, 1: 2}
    assert [event.attempts for event in take(database, NOON + 2, limit=3, retries=0)] == [1, 1]


def test_the_pauses_grow_and_then_stay(database: Database) -> None:
    pauses = [OutboxEvent("e", RAISED, {}, NOON, NOON, attempts).pause for attempts in range(1, 9)]
    assert pauses[: len(PAUSES)] == list(PAUSES)
    assert set(pauses[len(PAUSES) :]) == {PAUSES[-1]}
    assert all(first <= second for first, second in pairwise(pauses))


def test_an_event_is_given_up_after_a_day(database: Database) -> None:
    put(database)
    [event] = take(database, NOON)
    assert not refused(database, event, "503", NOON + GIVE_UP_SECONDS)
    [event] = take(database, NOON + GIVE_UP_SECONDS)
    assert refused(database, event, "503", NOON + GIVE_UP_SECONDS + 1)
    assert states(database) == [("case.decided", "failed")]
    assert take(database, NOON + 1e9) == []


@pytest.mark.parametrize("over", [False, True])
def test_an_event_about_a_flag_leaves_no_row_behind(database: Database, over: bool) -> None:
    put(database, kind=RAISED)
    [event] = take(database, NOON)
    if over:
        assert refused(database, event, "503", NOON + 2 * GIVE_UP_SECONDS)
    else:
        sent(database, event)
    assert states(database) == []


def test_a_success_clears_the_error_and_a_long_error_is_cut(database: Database) -> None:
    def error() -> str:
        with database.read() as connection:
            return str(connection.scalar(select(OUTBOX.c.error)))

    put(database)
    [event] = take(database, NOON)
    refused(database, event, "x" * 501, NOON + 1)
    assert error() == "x" * 500
    [event] = take(database, NOON + 1)
    sent(database, event)
    assert error() == ""


def test_an_undo_before_the_event_is_sent_tells_the_app_nothing(database: Database) -> None:
    put(database, send_at=NOON + 10)
    put(database, "other", send_at=NOON + 10)
    withdraw(database)
    assert states(database) == [("case.decided", "withdrawn"), ("case.decided", "waiting")]
    assert [event.payload["of"] for event in take(database, NOON + 1e9)] == ["other"]


def test_the_undo_of_an_event_that_the_app_may_have_is_sent_after_it(database: Database) -> None:
    put(database)
    [event] = take(database, NOON)
    withdraw(database, at=NOON + 5)
    assert take(database, NOON + 5) == []
    sent(database, event)
    [undone] = take(database, NOON + 5)
    assert (undone.kind, undone.payload, undone.created_at) == ("case.undone", event.payload, NOON + 5)


def test_an_event_that_failed_is_not_tried_again_after_its_undo(database: Database) -> None:
    """The app must not carry out a decision after it was told that the decision is undone."""
    put(database, room="lobby")
    [event] = take(database, NOON)
    with database.write() as connection:
        event_outbox.step_aside(connection, event)  # it no longer holds up its room
    withdraw(database, at=NOON + 5)
    with database.write() as connection:
        assert not event_outbox.refused(connection, event, "no answer", NOON + 6)
    assert [one.kind for one in take(database, NOON + 100)] == ["case.undone"]
    assert states(database)[0] == ("case.decided", "withdrawn")


def test_an_event_that_waits_for_its_next_try_is_withdrawn_by_its_undo(database: Database) -> None:
    put(database, room="lobby")
    [event] = take(database, NOON)
    with database.write() as connection:
        event_outbox.step_aside(connection, event)
        event_outbox.refused(connection, event, "no answer", NOON + 60)
    withdraw(database, at=NOON + 61)
    assert [one.kind for one in take(database, NOON + 61)] == ["case.undone"]
    assert take(database, NOON + 61) == []


def test_the_waiting_events_are_counted(database: Database) -> None:
    def waiting(at: float) -> Waiting:
        with database.read() as connection:
            return event_outbox.count_waiting(connection, at)

    assert waiting(NOON) == Waiting(0, 0.0)
    put(database, "a", NOON + 1, room="lobby")
    put(database, "b", NOON + 3, room="lobby")
    put(database, "later", NOON + 100)
    assert waiting(NOON + 5) == Waiting(2, 4.0)
    [first] = take(database, NOON + 5)
    assert waiting(NOON + 5) == Waiting(2, 4.0)
    sent(database, first)
    assert waiting(NOON + 5) == Waiting(1, 2.0)


def test_the_oldest_waiting_events_of_the_fullest_room_are_dropped(database: Database) -> None:
    for number in range(6):
        put(database, f"full {number}", NOON + number, RAISED, room="full")
    put(database, "calm", NOON - 9, RAISED, room="calm")
    put(database, "decision", NOON - 9, room="full")
    [*_, running] = [event for event in take(database, NOON - 1) if event.kind == "case.decided"]
    assert trim(database, 7) == 0
    assert trim(database, 4) == 3
    assert abouts(database) == ["calm", "decision", "full 3", "full 4", "full 5"]
    assert running.payload["of"] == "decision"


def test_an_event_that_is_being_sent_is_not_dropped(database: Database) -> None:
    put(database, "running", NOON, RAISED, room="lobby")
    take(database, NOON)
    put(database, "waiting", NOON + 1, RAISED, room="lobby")
    assert trim(database, 0) == 1
    assert abouts(database) == ["running"]


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rooms=st.lists(st.integers(0, 3), max_size=12), most=st.integers(0, 12))
def test_a_full_outbox_shortens_no_room_below_the_others(database: Database, rooms: list[int], most: int) -> None:
    with database.write() as connection:
        connection.execute(OUTBOX.delete())
    for number, room in enumerate(rooms):
        put(database, f"{number}", NOON + number, RAISED, room=f"room {room}")
    assert trim(database, most) == max(0, len(rooms) - most)
    left = abouts(database)
    assert left == sorted(left, key=int)
    before, after = Counter(rooms), Counter(rooms[int(about)] for about in left)
    for room, had in before.items():
        kept = [int(about) for about in left if rooms[int(about)] == room]
        assert kept == [at for at, one in enumerate(rooms) if one == room][had - len(kept) :]
        assert after[room] >= min(had, max(after.values(), default=0) - 1)
