"""The tables of a bundle hold what the store holds."""

from pathlib import Path

import pytest
from sqlalchemy import insert, select

from pipeline.assessment.report import tallies
from pipeline.base import canonical_json
from pipeline.base.errors import InputError
from pipeline.review.database import Database
from pipeline.review.quality.figure import Window
from pipeline.review.tables.assessment_tables import ROOM_HOURS, TALLIES
from tests.builders import NOON
from tests.pipeline.assessment.report import stored


def tables(database: Database, window: Window = stored.WINDOW) -> tuple[bytes, bytes]:
    with database.read() as connection:
        return tallies.tallies(connection, window), tallies.ledger(connection, window)


@pytest.fixture
def other(sqlite_model: Path, tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'other.db'}")


def test_loaded_tables_give_the_same_tables(filled: Database, other: Database) -> None:
    ledger = {
        "hour": int(NOON) // 3_600,
        "room_type": "kids",
        "rooms": 2,
        "seconds": 7_200.5,
        "received_at": 1.0,
    }
    with filled.write() as connection:
        connection.execute(insert(ROOM_HOURS).values(ledger))
    try:
        with other.write() as connection:
            tallies.load(connection, *tables(filled))
        assert tables(other) == tables(filled)
        with other.read() as connection:
            assert connection.execute(select(TALLIES)).all()
    finally:
        other.close()


def test_hours_outside_the_window_are_left_out(filled: Database) -> None:
    header = ",".join(column.name for column in TALLIES.columns) + "\n"
    assert tables(filled, Window(NOON - stored.DAY, NOON - 13 * 3_600))[0].decode() == header


def test_a_damaged_table_is_an_error(database: Database) -> None:
    with database.write() as connection, pytest.raises(InputError, match="tallies"):
        tallies.load(connection, b"hour,measure\n1,segmented\n", b"")


def test_the_digest_is_that_of_the_whole_table(filled: Database) -> None:
    with filled.read() as connection:
        found = tallies.digest(connection, stored.WINDOW)
    assert found == canonical_json.digest(tables(filled)[0])
