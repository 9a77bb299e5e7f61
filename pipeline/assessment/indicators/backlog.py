"""How many cases wait for a decision: I-08."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from statistics import median
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, case, cast, func, or_, select

from pipeline.assessment.catalogue import figure
from pipeline.assessment.options import Options
from pipeline.judge.labels import SEVERITIES
from pipeline.review.delivery.speech_tallies import DAY_HOURS, HOUR
from pipeline.review.quality.figure import Figure, Window, hours
from pipeline.review.quality.snapshot import NO_COPY, SNAPSHOT


def backlog(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-08, for all cases that were open at some time of the window."""
    del options
    rows = _rows(connection, window)
    yield from _figures(rows, window, {})
    for severity in sorted({row.severity for row in rows}):
        yield from _figures([row for row in rows if row.severity == severity], window, _named(severity))


def _named(severity: int) -> dict[str, str]:
    return {"severity": SEVERITIES[severity]}


def _figures(rows: Sequence[Row[Any]], window: Window, part: dict[str, str]) -> Iterator[Figure]:
    n = sum(row.n for row in rows)
    still = [row for row in rows if row.closed is None]
    daily = _daily_maxima(rows, window) if rows else []
    values = {
        "open": sum(row.n for row in still) if rows else None,
        "open_max": max(daily, default=None),
        "open_daily": median(daily) if daily else None,
        "oldest": max((row.age for row in still), default=None),
        "oldest_max": max((row.age for row in rows), default=None),
    }
    for key, value in values.items():
        yield figure("I-08", key, value, n, part)


def _rows(connection: Connection, window: Window) -> Sequence[Row[Any]]:
    """Return the numbers of cases by severity, and by the full hours from and before which they were open.

    `age` is the longest time that one of them was open, until its decision or the end of the window.
    """
    begin, end = SNAPSHOT.c.created_at, SNAPSHOT.c.first_at
    opened = case((begin > window.since, _full_hour(begin)))
    age = func.max(func.coalesce(end, window.until) - begin)
    names = SNAPSHOT.c.severity, opened.label("opened"), _full_hour(end).label("closed")
    query = select(*names, func.count().label("n"), age.label("age"))
    query = query.where(NO_COPY, or_(end.is_(None), end > window.since))
    return connection.execute(query.group_by(SNAPSHOT.c.severity, "opened", "closed")).all()


def _full_hour(at: ColumnElement[float]) -> ColumnElement[int]:
    """Return the first full hour at or after a time, in hours since 1970; NULL for NULL.

    A cast cuts on SQLite and rounds on PostgreSQL. The comparison makes both the same.
    """
    hour = cast(at / HOUR, BigInteger)
    return hour + case((hour * HOUR < at, 1), else_=0)


def _daily_maxima(rows: Sequence[Row[Any]], window: Window) -> list[int]:
    """Return the largest number of open cases at a full hour of each UTC day of the window."""
    marks = hours(window)
    changes: dict[int, int] = defaultdict(int)
    for row in rows:
        changes[marks.start if row.opened is None else row.opened] += row.n
        if row.closed is not None:
            changes[max(marks.start, row.closed)] -= row.n
    days: dict[int, int] = defaultdict(int)
    for hour, count in zip(marks, accumulate(changes[hour] for hour in marks), strict=True):
        days[hour // DAY_HOURS] = max(days[hour // DAY_HOURS], count)
    return list(days.values())
