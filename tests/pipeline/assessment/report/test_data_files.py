"""Figures as JSON and CSV."""

import csv
import io
import json
import zlib
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from pipeline.assessment.report import data_files
from pipeline.base import canonical_json
from pipeline.base.errors import InputError
from pipeline.review.database import Database
from pipeline.review.quality.figure import Window
from pipeline.review.tables.assessment_tables import ROOM_HOURS, TALLIES
from tests.builders import NOON
from tests.pipeline.assessment.report import samples, stored

REPORT = samples.report()


def test_the_csv_has_every_figure_with_its_window_and_function() -> None:
    rows = list(csv.DictReader(io.StringIO(data_files.figures_csv(REPORT).decode())))
    assert len(rows) == len(REPORT.figures) + len(REPORT.drill_figures)
    assert rows[0]["indicator"] == "I-01"
    assert (rows[0]["since"], rows[0]["compute"]) == (str(REPORT.window.since), "monitoring:room_coverage")
    assert {row["data"] for row in rows if row["indicator"] == "I-28"} == {"drill"}
    assert [row["split"] for row in rows if row["split"]] == ["label=abuse", "label=sexual"]


def test_a_value_that_is_not_measured_is_an_empty_field() -> None:
    rows = csv.DictReader(io.StringIO(data_files.figures_csv(REPORT).decode()))
    assert {row["value"] for row in rows if row["unmeasured"]} == {""}


def test_the_json_has_figures_and_definitions() -> None:
    found = json.loads(data_files.figures_json(REPORT))
    assert len(found["operation"]) == len(REPORT.figures)
    assert found["definitions"][0]["id"] == "I-01"


def bundle_tables(database: Database, window: Window = stored.WINDOW) -> dict[str, bytes]:
    with database.read() as connection:
        packed = data_files.packed(connection, window)
    found = {name: zlib.decompress(each.content) for name, each in packed.items()}
    assert {name: each.sha256 for name, each in packed.items()} == {
        name: canonical_json.digest(content) for name, content in found.items()
    }
    return found


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
            for name, content in bundle_tables(filled).items():
                data_files.load(connection, content, data_files.TABLES[name])
        assert bundle_tables(other) == bundle_tables(filled)
        with other.read() as connection:
            assert connection.execute(select(TALLIES)).all()
    finally:
        other.close()


def test_tallies_of_odd_texts_are_the_rows_that_a_reader_of_csv_finds(database: Database) -> None:
    texts = ("", "a,b", 'say "hi"', "two\nlines", "语音,房")
    cell = {"measure": "segmented", "bucket": "", "language": "", "label": "", "policy": "", "model": ""}
    rows = [
        cell | {"hour": int(NOON // 3_600) + hour, "room_type": kind, "count": hour, "samples": 7}
        for hour in range(2)
        for kind in texts
    ]
    with database.write() as connection:
        connection.execute(insert(TALLIES), rows)
    found = csv.DictReader(io.StringIO(bundle_tables(database)["tallies.csv"].decode(), newline=""))
    wanted = sorted(rows, key=lambda row: (row["hour"], str(row["room_type"]).encode()))
    assert list(found) == [{name: str(row[name]) for name in (found.fieldnames or ())} for row in wanted]


def test_hours_outside_the_window_are_left_out(filled: Database) -> None:
    header = ",".join(column.name for column in TALLIES.columns) + "\n"
    assert bundle_tables(filled, Window(NOON - stored.DAY, NOON - 13 * 3_600))["tallies.csv"].decode() == header


def test_a_damaged_table_is_an_error(database: Database) -> None:
    with database.write() as connection, pytest.raises(InputError, match="tallies"):
        data_files.load(connection, b"hour,measure\n1,segmented\n", TALLIES)
