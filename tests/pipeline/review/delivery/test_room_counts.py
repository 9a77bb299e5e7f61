"""The speech of each room by language, counted with the tallies."""

from msgspec.structs import replace
from sqlalchemy import select

from pipeline.contract.messages import SAMPLE_RATE, Flag, SpeechStatus
from pipeline.contract.speech_status import status_of
from pipeline.review.database import Database
from pipeline.review.delivery import room_counts
from pipeline.review.delivery.room_counts import (
    DAY_SECONDS,
    DAYS,
    MOST,
    LanguageShare,
    OtherLanguageRoom,
    RoomHour,
    ledger_fault,
    store_ledger,
)
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.assessment_tables import ROOM_HOURS
from tests.builders import NOON, flag


def said(name: str, seconds: int, **changes: object) -> Flag:
    return flag(name, 0, seconds, **{"suggestion": "pass", "flagged": (), "hits": ()} | changes)


def other(name: str, seconds: int, language: str = "fr", **changes: object) -> SpeechStatus:
    return replace(status_of(said(name, seconds, **changes), "skipped", "language"), language=language)


def of_room(database: Database, room: str = "room", at: float = NOON) -> list[LanguageShare]:
    with database.read() as connection:
        return room_counts.of_room(connection, room, at)


def most(database: Database, at: float = NOON) -> list[OtherLanguageRoom]:
    with database.read() as connection:
        return room_counts.most_in_other_languages(connection, at)


def test_each_utterance_counts_once_in_its_room_and_language(database: Database) -> None:
    store = SqlReviewStore(database)
    for _ in range(2):
        store.add([said("a", 3, language="en"), other("b", 5), other("c", 1), said("d", 9, room="den")], NOON)
    assert of_room(database) == [
        LanguageShare("fr", 0, 6 * SAMPLE_RATE),
        LanguageShare("en", 3 * SAMPLE_RATE, 0),
    ]
    assert most(database) == [OtherLanguageRoom("room", 6 * SAMPLE_RATE, 9 * SAMPLE_RATE)]


def test_speech_that_is_heard_later_is_no_longer_in_another_language(database: Database) -> None:
    store = SqlReviewStore(database)
    store.add([other("a", 5)], NOON)
    store.add([said("a", 5, language="en")], NOON)
    assert of_room(database) == [LanguageShare("en", 5 * SAMPLE_RATE, 0)]
    assert most(database) == []


def test_drills_overload_and_sound_without_speech_do_not_count(database: Database) -> None:
    overload = status_of(said("a", 5), "skipped", "overload")
    SqlReviewStore(database).add([overload, other("b", 5, drill="d"), said("c", 5, language="und")], NOON)
    assert of_room(database) == []


def test_days_leave_the_page_and_then_the_store(database: Database) -> None:
    store = SqlReviewStore(database)
    store.add([other("a", 5)], NOON)
    last = NOON + (DAYS - 1) * DAY_SECONDS
    assert [len(of_room(database, at=at)) for at in (last, last + DAY_SECONDS)] == [1, 0]
    assert [len(most(database, at)) for at in (last, last + DAY_SECONDS)] == [1, 0]
    for before in (float("-inf"), NOON):
        store.forget_counted(before)
    assert of_room(database) != []
    store.forget_counted(NOON + DAY_SECONDS)
    assert of_room(database) == []


def test_the_rooms_with_most_come_first_and_are_limited(database: Database) -> None:
    seconds = {f"room {number}": 1 + number % 9 for number in range(MOST + 5)}
    SqlReviewStore(database).add([other(room, length, room=room) for room, length in seconds.items()], NOON)
    found = [each.room for each in most(database)]
    assert found == sorted(seconds, key=lambda room: (-seconds[room], room))[:MOST]


def line(hour: int, rooms: int, seconds: float, room_type: str = "game") -> RoomHour:
    return RoomHour(hour=hour, room_type=room_type, rooms=rooms, seconds=seconds)


def test_the_newest_line_of_an_hour_and_type_counts(database: Database) -> None:
    with database.write() as connection:
        store_ledger(connection, [line(1, 2, 7_200), line(1, 1, 60, "kids"), line(2, 3, 10)], 5.0)
        store_ledger(connection, [line(1, 4, 100), line(1, 5, 200)], 6.0)
        store_ledger(connection, [], 7.0)
    with database.read() as connection:
        rows = connection.execute(select(ROOM_HOURS).order_by(ROOM_HOURS.c.hour, ROOM_HOURS.c.room_type)).all()
    assert [tuple(row) for row in rows] == [
        (1, "game", 5, 200.0, 6.0),
        (1, "kids", 1, 60.0, 5.0),
        (2, "game", 3, 10.0, 5.0),
    ]


def test_rooms_cannot_be_open_for_more_than_an_hour_in_an_hour() -> None:
    assert ledger_fault(line(1, 2, 7_200)) is None
    assert ledger_fault(line(1, 2, 7_201)) == "7201 s are more than an hour for each of the rooms (2)"
    assert ledger_fault(line(1, 0, 1)) is not None
