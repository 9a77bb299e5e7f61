"""Decisions as they stood at the end of a window, so that later decisions never change the figures of a past window."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, Subquery, case, cast, func, or_, select

from pipeline.review.quality.checks import FINAL
from pipeline.review.tables.core import CASES, DECISIONS

MICROSECOND = 1e-6
"""Differences of UTC seconds are exact to less than this."""

REAL = CASES.c.drill == ""
"""The case is no drill."""


def standing(until: float) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for decisions to uphold or dismiss that were made before `until` and not undone by then."""
    kept = or_(DECISIONS.c.undone.is_(None), DECISIONS.c.undone >= until)
    return DECISIONS.c.at < until, kept, DECISIONS.c.verdict.in_(FINAL)


def firsts(until: float) -> Subquery:
    """Return the time `at` of the first standing decision of each case that has one, by `case_id`."""
    query = select(DECISIONS.c.case_id, func.min(DECISIONS.c.at).label("at")).where(*standing(until))
    return query.group_by(DECISIONS.c.case_id).subquery()


def lasts(until: float) -> Subquery:
    """Return `verdict`, `label` and `at` of the last standing decision of each case that has one, by `case_id`."""
    newest = func.row_number().over(
        partition_by=DECISIONS.c.case_id, order_by=(DECISIONS.c.at.desc(), DECISIONS.c.id.desc())
    )
    columns = [DECISIONS.c[name] for name in ("case_id", "verdict", "label", "at")]
    ranked = select(*columns, newest.label("place")).where(*standing(until)).subquery()
    kept = [ranked.c[column.name] for column in columns]
    return select(*kept).where(ranked.c.place == 1).subquery()


def upheld(until: float) -> Select[tuple[str]]:
    """Return the query for the ids of the cases whose last standing decision upholds them."""
    last = {verdict: func.max(case((DECISIONS.c.verdict == verdict, DECISIONS.c.at))) for verdict in FINAL}
    query = select(DECISIONS.c.case_id).where(*standing(until)).group_by(DECISIONS.c.case_id)
    return query.having(last["uphold"] > func.coalesce(last["dismiss"], 0.0))


def ceiling(value: ColumnElement[float]) -> ColumnElement[int]:
    """Return a value of at least 0 as a whole number, rounded up.

    A cast cuts on SQLite and rounds on PostgreSQL. The comparison makes both the same.
    """
    exact: Any = value - MICROSECOND
    whole = cast(exact, BigInteger)
    return whole + case((exact > whole, 1), else_=0)


def floor(value: ColumnElement[float]) -> ColumnElement[int]:
    """Return a value of at least 0 as a whole number, rounded down."""
    exact: Any = value + MICROSECOND
    whole = cast(exact, BigInteger)
    return whole - case((exact < whole, 1), else_=0)
