"""Rows that are stored once, on both databases."""

from sqlalchemy import select

from pipeline.review.database import Database
from pipeline.review.tables.assessment import ROOM_TYPES
from pipeline.review.upsert import put_new


def test_a_row_whose_key_is_there_changes_nothing(database: Database) -> None:
    with database.write() as connection:
        assert put_new(connection, ROOM_TYPES, {"name": "kids", "first_seen_at": 1.0})
        assert not put_new(connection, ROOM_TYPES, {"name": "kids", "first_seen_at": 2.0})
        assert connection.scalar(select(ROOM_TYPES.c.first_seen_at)) == 1.0
