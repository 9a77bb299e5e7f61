"""Decisions as they stood at the end of a window, so that later decisions never change the figures of a past window."""

import math
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, ScalarSelect, case, cast, or_, select

from pipeline.review.quality.checks import FINAL
from pipeline.review.tables.core import CASES, DECISIONS

MICROSECOND = 1e-6
"""Differences of UTC seconds are exact to less than this."""

REAL = CASES.c.drill == ""
"""The case is no drill."""


def in_force(until: float) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for decisions to uphold or dismiss that were made before `until` and not undone by then."""
    kept = or_(DECISIONS.c.undone.is_(None), DECISIONS.c.undone >= until)
    return DECISIONS.c.at < until, kept, DECISIONS.c.verdict.in_(FINAL)


def verdict_at(until: float) -> ScalarSelect[str]:
    """Return the last standing verdict of the row of CASES; NULL if there is none.

    For some cases. For the figures of all cases of a window, `quality/snapshot.py` is many times as fast.
    """
    of_case = select(DECISIONS.c.verdict).where(DECISIONS.c.case_id == CASES.c.id, *in_force(until))
    newest = of_case.order_by(DECISIONS.c.at.desc(), DECISIONS.c.id.desc()).limit(1)
    return newest.correlate(CASES).scalar_subquery()


def verdict_now() -> ColumnElement[str]:
    """Return the last standing verdict of the row of CASES at this moment; NULL if there is none.

    The column has it, except for a case that was escalated after a verdict.
    """
    stored: ColumnElement[str] = CASES.c.verdict
    return case((stored.is_(None) | stored.in_(FINAL), stored), else_=verdict_at(math.inf))


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


def nearest(value: ColumnElement[float]) -> ColumnElement[int]:
    """Return a value of at least 0 as the nearest whole number, and a half as the even one, like Python's `round`.

    The `round` of PostgreSQL does so, too. SQLite's rounds a half up.
    """
    whole: Any = cast(value, BigInteger)
    below: ColumnElement[int] = whole - case((whole > value, 1), else_=0)
    rest: Any = value - below
    return below + case((rest > 0.5, 1), (rest == 0.5, below % 2), else_=0)
