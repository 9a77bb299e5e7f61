"""Whether enough moderators are at work: I-16 to I-18, from the audit log.

The audit log is kept longer than the cases, and it names the person of each action. Views are left out, because leads
and auditors look at cases too.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, case, cast, func, select

from pipeline.assessment.catalogue import figure, quotient
from pipeline.assessment.decided import MICROSECOND
from pipeline.assessment.figure import Figure, Window
from pipeline.assessment.options import Options
from pipeline.assessment.survival import Spell, Survival
from pipeline.assessment.totals import totals
from pipeline.review.delivery.tallies import HOUR
from pipeline.review.tables.core import AUDIT

MINUTE = 60
STREAM = {"yield_per": 10_000}
"""A quarter may have millions of lines, so they are read in pieces."""
ACTS = ("case.claim", "case.skip", "case.decide", "case.undo", "appeal.settle")
"""Lines of the audit log that show a moderator at work."""


def reviewers_to_rooms(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-16, over the hours in which somebody spoke."""
    del options
    acts = _acts(window, HOUR).subquery()
    query = select(acts.c.unit, func.count().label("reviewers")).group_by(acts.c.unit)
    reviewers = {row.unit: row.reviewers for row in connection.execute(query)}
    rooms = totals(connection, window, ["rooms"], "hour")
    ratios = sorted(reviewers.get(hour, 0) / found.n for (hour,), found in rooms.items() if found.n)
    n = len(ratios)
    yield figure("I-16", "min", ratios[0] if n else None, n)
    yield figure("I-16", "p5", ratios[math.ceil(0.05 * n) - 1] if n else None, n)


def duty_cover(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-17, over the minutes that begin in the window."""
    lasting = _lasting(options)
    early = Window(window.since - lasting * MINUTE, window.until)
    minute = _whole(AUDIT.c.at, MINUTE).label("minute")
    acted = connection.scalars(select(minute).where(*_within(early, *ACTS)).distinct().order_by(minute)).all()
    minutes = range(math.ceil(window.since / MINUTE), math.ceil(window.until / MINUTE))
    gaps = list(_gaps(acted, minutes, lasting))
    n = len(minutes) if _logged(connection, window) else 0
    yield quotient("I-17", "share", n - sum(gaps), n, n)
    yield figure("I-17", "longest_gap", max(gaps, default=0) * MINUTE if n else None, n)


def load(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-18. A moderator's hours are the minutes of their actions, each with the minutes of a lease after it."""
    work = _work(connection, window, _lasting(options))
    hours, n = work.minutes / 60, work.decisions
    times = Survival(Spell(seconds, count, 0) for seconds, count in work.times.items())
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


def _logged(connection: Connection, window: Window) -> bool:
    """Tell whether there was an audit log. Without one, nobody knows who was on duty."""
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


def _within(window: Window, *actions: str) -> tuple[ColumnElement[bool], ...]:
    return AUDIT.c.at >= window.since, AUDIT.c.at < window.until, AUDIT.c.action.in_(actions)


def _acts(window: Window, seconds: int) -> Select[tuple[str, int]]:
    """Return the query for the persons who acted, with the `unit` of time: a number of `seconds` since 1970."""
    return select(AUDIT.c.actor, _whole(AUDIT.c.at, seconds).label("unit")).where(*_within(window, *ACTS)).distinct()


def _whole(at: ColumnElement[float], seconds: int) -> ColumnElement[int]:
    """Return a time in whole units of `seconds`, rounded down.

    A cast cuts on SQLite and rounds on PostgreSQL. The comparison makes both the same.
    """
    whole = cast(at / seconds, BigInteger)
    return whole - case((whole * seconds > at, 1), else_=0)


def _work(connection: Connection, window: Window, lasting: int) -> ReviewerWork:
    """Add up the work, line by line: a window function would sort all lines, which takes longer."""
    query = select(AUDIT.c.actor, AUDIT.c.at, AUDIT.c.action, AUDIT.c.subject).where(*_within(window, *ACTS))
    work = ReviewerWork()
    last: dict[str, int] = {}
    taken: dict[tuple[str, str], float] = {}
    for person, at, action, case_id in connection.execute(query.order_by(AUDIT.c.seq), execution_options=STREAM):
        minute = int(at // MINUTE)
        work.minutes += max(0, min(minute - last.get(person, minute - lasting), lasting))
        last[person] = minute
        begun = taken.pop((person, case_id), None)
        if action == "case.claim":
            taken[person, case_id] = at
        elif action == "case.decide":
            work.decisions += 1
            work.times.update([] if begun is None else [math.ceil(at - begun - MICROSECOND)])
    return work
