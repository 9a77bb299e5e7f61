"""How many cases wait for a decision, I-08, and whether enough moderators are at work, I-16 to I-18.

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
from pipeline.review.quality.figure import Figure, Totals, Window, hours, totals
from pipeline.review.quality.snapshot import MICROSECOND, NO_COPY, SNAPSHOT
from pipeline.review.quality.statistics import Spell, Survival
from pipeline.review.tables.core import AUDIT

MINUTE = 60
ACTS = ("case.claim", "case.skip", "case.decide", "case.undo", "appeal.settle")
"""Lines of the audit log that show a moderator at work."""


def work(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-16 to I-18, from one reading of the audit log: on a large store it takes seconds."""
    done = _read(connection, window, _lasting(options))
    yield from _reviewers_to_rooms(done, totals(connection, window, ["rooms"], "hour"))
    yield from _duty_cover(done, window, _lasting(options), _logged(connection, window))
    yield from _load(done)


@dataclass
class ReviewerWork:
    """The work of all moderators.

    `acted` has the minutes since 1970 in which somebody acted, also shortly before the window. `hours` has persons with
    the hours since 1970 in which they acted. `times` counts the decisions by the seconds since their case was taken.
    """

    acted: set[int] = field(default_factory=set)
    hours: set[tuple[str, int]] = field(default_factory=set)
    minutes: int = 0
    decisions: int = 0
    times: Counter[int] = field(default_factory=Counter)


def _reviewers_to_rooms(done: ReviewerWork, rooms: Totals) -> Iterator[Figure]:
    """I-16, over the hours in which somebody spoke."""
    reviewers = Counter(hour for _, hour in done.hours)
    # A Counter gives 0 for an hour without moderators, which is the worst ratio.
    ratios = sorted(reviewers[int(hour)] / found.n for (hour,), found in rooms.items() if found.n)
    n = len(ratios)
    yield figure("I-16", "min", ratios[0] if n else None, n)
    yield figure("I-16", "p5", ratios[math.ceil(0.05 * n) - 1] if n else None, n)


def _duty_cover(done: ReviewerWork, window: Window, lasting: int, logged: bool) -> Iterator[Figure]:
    """I-17, over the minutes that begin in the window."""
    minutes = range(math.ceil(window.since / MINUTE), math.ceil(window.until / MINUTE))
    gaps = list(_gaps(sorted(done.acted), minutes, lasting))
    n = len(minutes) if logged else 0  # without an audit log, nobody knows who was on duty
    yield quotient("I-17", "share", n - sum(gaps), n, n)
    yield figure("I-17", "longest_gap", max(gaps, default=0) * MINUTE if n else None, n)


def _load(done: ReviewerWork) -> Iterator[Figure]:
    """I-18. A moderator's hours are the minutes of their actions, each with the minutes of a lease after it."""
    hours, n = done.minutes / 60, done.decisions
    times = Survival(Spell(seconds, count, 0) for seconds, count in done.times.items())
    yield quotient("I-18", "decisions_per_hour", n, hours, n)
    yield figure("I-18", "seconds", times.quantile(0.5), times.n)
    yield figure("I-18", "decisions", n or None, n)
    yield figure("I-18", "reviewer_hours", hours or None, n)


def _logged(connection: Connection, window: Window) -> bool:
    """Tell whether there was an audit log."""
    return connection.scalar(select(AUDIT.c.seq).where(AUDIT.c.at < window.until).limit(1)) is not None


def _lasting(options: Options) -> int:
    """Return the minutes for which an action counts, including its own."""
    return math.ceil(options.lease / MINUTE)


def _gaps(acted: Sequence[int], minutes: range, lasting: int) -> Iterator[int]:
    """Yield the lengths of the times without an active moderator, in minutes. `acted` is in order."""
    reached = minutes.start
    for minute in (*acted, minutes.stop):
        if minute > reached:
            yield minute - reached
        reached = max(reached, minute + lasting)


def _read(connection: Connection, window: Window, lasting: int) -> ReviewerWork:
    """Add up the work."""
    # Line by line in Python: a window function of SQL would sort all lines, which takes longer.
    early = (AUDIT.c.at >= window.since - lasting * MINUTE, AUDIT.c.at < window.until, AUDIT.c.action.in_(ACTS))
    query = select(AUDIT.c.actor, AUDIT.c.at, AUDIT.c.action, AUDIT.c.subject).where(*early).order_by(AUDIT.c.seq)
    done = ReviewerWork()
    last: dict[str, int] = {}
    taken: dict[tuple[str, str], float] = {}
    for person, at, action, case_id in chain.from_iterable(plain_rows(connection, query)):
        minute = int(at // MINUTE)
        done.acted.add(minute)
        if at < window.since:  # an earlier line only shows who was on duty when the window began
            continue
        done.hours.add((person, minute // 60))
        # Each action counts for `lasting` minutes. Where two overlap, only the time since the last one is new.
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
