"""No part of a report takes more than linear time, without SQLite's statistics and with those of a small store."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from benchmarks import assessment, quarter
from pipeline.review.database import Database
from tests.pipeline.assessment.reading import steps

FEW, MANY = 500, 4_000
STATISTICS = text("SELECT tbl, idx, stat FROM sqlite_stat1")


def filled(file: Path, cases: int) -> Database:
    database = Database(f"sqlite:///{file}")
    quarter.fill(database, 100, cases, days=1)
    return database


def small_statistics(file: Path, cases: int) -> list[dict[str, Any]]:
    """The statistics of a small store. SQLite plans with them until somebody makes new ones."""
    with closing(filled(file, cases)) as database, database.write() as connection:
        connection.execute(text("ANALYZE"))
        return [dict(row) for row in connection.execute(STATISTICS).mappings()]


def costs(file: Path, cases: int, statistics: list[dict[str, Any]]) -> dict[str, int]:
    """The thousands of steps that each part takes."""
    with closing(filled(file, cases)) as database, database.write() as connection:
        connection.execute(text("ANALYZE"))
        connection.execute(text("DELETE FROM sqlite_stat1"))
        for row in statistics:
            connection.execute(text("INSERT INTO sqlite_stat1 VALUES (:tbl, :idx, :stat)"), row)
    with closing(Database(f"sqlite:///{file}")) as database, database.read_in_background() as read:
        return {name: steps(read, work) for name, work in assessment.parts(read)}


@pytest.mark.parametrize("small", [0, 20])  # SQLite has no statistics of empty tables
def test_no_part_of_a_report_takes_quadratic_time(tmp_path: Path, small: int) -> None:
    statistics = small_statistics(tmp_path / "small.db", small)
    few, many = (costs(tmp_path / f"{cases}.db", cases, statistics) for cases in (FEW, MANY))
    most = 2 * MANY // FEW
    assert {name: (few[name], many[name]) for name in few if many[name] > most * (few[name] + 1)} == {}
    assert sum(many.values()) > 2 * sum(few.values())
