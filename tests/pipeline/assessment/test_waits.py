"""Waits of parts of the cases equal those of the cases chosen one by one."""

from typing import Any

import numpy as np
import pytest
from sqlalchemy import literal, select, union_all

from pipeline.assessment.waits import CaseWaits, parts
from pipeline.review.database import Database

ROWS = [(0, "en", 10, True), (0, "zh", 20, False), (2, "en", 5, True), (2, "en", 900, True), (2, "en", 30, False)]


def waits(rows: list[tuple[int, str, int, bool]]) -> CaseWaits:
    severity, _, seconds, over = zip(*rows, strict=True)
    return CaseWaits(np.array(severity), np.array(seconds), np.array(over))


def test_each_value_of_a_dimension_is_a_part(database: Database) -> None:
    rows = union_all(
        *(
            select(
                literal(s).label("severity"),
                literal(lang).label("language"),
                literal(t).label("seconds"),
                literal(o).label("over"),
            )
            for s, lang, t, o in ROWS
        )
    ).subquery()
    with database.read() as connection:
        found = {tuple(part.items()): some for part, some in parts(connection, select(rows), "language")}
    chosen = {
        (): ROWS,
        (("severity", "low"),): ROWS[:2],
        (("severity", "high"),): ROWS[2:],
        (("language", "en"),): [row for row in ROWS if row[1] == "en"],
        (("language", "zh"),): ROWS[1:2],
    }
    assert list(found) == list(chosen)
    for part, expected in chosen.items():
        survival = found[part].survival()
        assert (survival.n, survival.open) == (len(expected), sum(not over for *_, over in expected))
        assert survival.quantile(0.1) == waits(expected).survival().quantile(0.1)


def test_no_rows_are_one_empty_part(database: Database) -> None:
    query: Any = select(literal(0).label("severity"), literal(1).label("seconds"), literal(True).label("over"))
    with database.read() as connection:
        [(part, none)] = parts(connection, query.where(literal(1) == 2))
    assert (part, none.survival().n, none.in_time([1.0])) == ({}, 0, None)


def test_each_severity_has_its_target() -> None:
    assert waits(ROWS[2:]).in_time([0, 0, 100]) == pytest.approx(1 / 3)
    assert waits([ROWS[0], *ROWS[2:4]]).in_time([10, 0, 5]) == pytest.approx((1 + 2 * 0.5) / 3)
