"""How many cases wait for a decision, I-08, and the load of moderators, I-18.

The audit log is kept longer than the cases, and it names the person of each action. Views are left out, because leads
and auditors look at cases too.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from itertools import accumulate, chain
from statistics import median
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, case, cast, func, or_, select

from pipeline.assessment.catalogue import figure, quotient
from pipeline.assessment.options import Options
from pipeline.assessment.workdays import zone_of
from pipeline.judge.labels import SEVERITIES
from pipeline.review.database import plain_rows
from pipeline.review.delivery.speech_tallies import HOUR
from pipeline.review.quality.audits import within
from pipeline.review.quality.figure import Figure, Window, hours
from pipeline.review.quality.snapshot import MICROSECOND, NO_COPY, SNAPSHOT
from pipeline.review.quality.statistics import Spell, Survival
from pipeline.review.tables.core import AUDIT

MINUTE = 60
ACTS = ("case.claim", "case.skip", "case.decide", "case.undo", "appeal.settle")
"""Lines of the audit log that show a moderator at work."""


def work(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-18. A moderator's hours are the minutes of their actions, each with the minutes of a lease after it."""
    done = _read(connection, window, math.ceil(options.lease / MINUTE))
    hours, n = done.minutes / 60, done.decisions
    times = Survival(Spell(seconds, count, 0) for seconds, count in done.times.items())
    yield quotient("I-18", "decisions_per_hour", n, hours, n)
    yield figure("I-18", "seconds", times.quantile(0.5), times.n)
    yield figure("I-18", "decisions", n or None, n)
    yield figure("I-18", "reviewer_hours", hours or None, n)


@dataclass
class ReviewerWork:
    """The work of all moderators. `times` counts the decisions by the seconds since their case was taken."""

    minutes: int = 0
    decisions: int = 0
    times: Counter[int] = field(default_factory=Counter)


def _read(connection: Connection, window: Window, lasting: int) -> ReviewerWork:
    """Add up the work. An action counts for `lasting` minutes, including its own."""
    # Line by line in Python: a window function of SQL would sort all lines, which takes longer.
    acts = (*within(AUDIT.c.at, window), AUDIT.c.action.in_(ACTS))
    query = select(AUDIT.c.actor, AUDIT.c.at, AUDIT.c.action, AUDIT.c.subject).where(*acts).order_by(AUDIT.c.seq)
    done = ReviewerWork()
    last: dict[str, int] = {}
    taken: dict[tuple[str, str], float] = {}
    for person, at, action, case_id in chain.from_iterable(plain_rows(connection, query)):
        minute = int(at // MINUTE)
        # Where the minutes of two actions overlap, only the time since the last one is new.
        done.minutes += max(0, min(minute - last.get(person, minute - lasting), lasting))
        last[person] = minute
        begun = taken.pop((person, case_id), None)
        if action == "case.claim":
            taken[person, case_id] = at
        elif action == "case.decide":
            done.decisions += 1
            if begun is not None:  # else the case was taken before the window
                done.times[math.ceil(at - begun - MICROSECOND)] += 1  # UTC seconds are rounded floats
    return done


def backlog(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-08, for all cases that were open at some time of the window."""
    rows, zone = _rows(connection, window), zone_of(options.zone)
    yield from _figures(rows, window, zone, {})
    for severity in sorted({row.severity for row in rows}):
        yield from _figures([row for row in rows if row.severity == severity], window, zone, _named(severity))


def _named(severity: int) -> dict[str, str]:
    return {"severity": SEVERITIES[severity]}


def _figures(rows: Sequence[Row[Any]], window: Window, zone: tzinfo, part: dict[str, str]) -> Iterator[Figure]:
    n = sum(row.n for row in rows)
    still = [row for row in rows if row.closed is None]
    daily = _daily_maxima(rows, window, zone) if rows else []
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
    """Return the first full hour at or after a time, in hours since 1970; NULL for NULL."""
    # A cast cuts on SQLite and rounds on PostgreSQL. The comparison makes both the same.
    hour = cast(at / HOUR, BigInteger)
    return hour + case((hour * HOUR < at, 1), else_=0)


def _daily_maxima(rows: Sequence[Row[Any]], window: Window, zone: tzinfo) -> list[int]:
    """Return the largest number of open cases at a full hour of each day of the window in `zone`."""
    marks = hours(window)
    # Sweep: the running sum of the openings minus the closings at each hour is the number of open cases.
    changes: dict[int, int] = defaultdict(int)
    for row in rows:
        changes[marks.start if row.opened is None else row.opened] += row.n  # None: before the window
        if row.closed is not None:
            changes[max(marks.start, row.closed)] -= row.n
    days: dict[date, int] = defaultdict(int)
    for hour, count in zip(marks, accumulate(changes[hour] for hour in marks), strict=True):
        day = datetime.fromtimestamp(hour * HOUR, zone).date()
        days[day] = max(days[day], count)
    return list(days.values())
