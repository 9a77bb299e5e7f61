"""The app's ledger of rooms: a line replaces an earlier line of the same hour and type of room."""

from sqlalchemy import select

from pipeline.assessment.room_hours import RoomHour, fault, store
from pipeline.review.database import Database
from pipeline.review.tables.assessment_tables import ROOM_HOURS


def line(hour: int, rooms: int, seconds: float, room_type: str = "game") -> RoomHour:
    return RoomHour(hour=hour, room_type=room_type, rooms=rooms, seconds=seconds)


def test_the_newest_line_of_an_hour_and_type_counts(database: Database) -> None:
    with database.write() as connection:
        store(connection, [line(1, 2, 7_200), line(1, 1, 60, "kids"), line(2, 3, 10)], 5.0)
        store(connection, [line(1, 4, 100), line(1, 5, 200)], 6.0)
        store(connection, [], 7.0)
    with database.read() as connection:
        rows = connection.execute(select(ROOM_HOURS).order_by(ROOM_HOURS.c.hour, ROOM_HOURS.c.room_type)).all()
    assert [tuple(row) for row in rows] == [
        (1, "game", 5, 200.0, 6.0),
        (1, "kids", 1, 60.0, 5.0),
        (2, "game", 3, 10.0, 5.0),
    ]


def test_rooms_cannot_be_open_for_more_than_an_hour_in_an_hour() -> None:
    assert fault(line(1, 2, 7_200)) is None
    assert fault(line(1, 2, 7_201)) == "7201 s are more than an hour for each of the rooms (2)"
    assert fault(line(1, 0, 1)) is not None
