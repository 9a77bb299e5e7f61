"""Whether enough moderators are at work: I-16 to I-18, from the audit log.

The audit log is kept longer than the cases, and it names the person of each action. Views are left out, because leads
and auditors look at cases too.
"""

import math
from collections.abc import Iterator, Sequence

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, case, cast, func, select

from pipeline.assessment.catalogue import figure, quotient
from pipeline.assessment.decided import ceiling
from pipeline.assessment.figure import Figure, Window
from pipeline.assessment.options import Options
from pipeline.assessment.survival import Spell, Survival
from pipeline.assessment.totals import totals
from pipeline.review.delivery.tallies import HOUR
from pipeline.review.tables.core import AUDIT

MINUTE = 60
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
    acts = _acts(early, MINUTE).subquery()
    acted = connection.scalars(select(acts.c.unit).distinct().order_by(acts.c.unit)).all()
    minutes = range(math.ceil(window.since / MINUTE), math.ceil(window.until / MINUTE))
    gaps = list(_gaps(acted, minutes, lasting))
    n = len(minutes) if _logged(connection, window) else 0
    yield quotient("I-17", "share", n - sum(gaps), n, n)
    yield figure("I-17", "longest_gap", max(gaps, default=0) * MINUTE if n else None, n)


def load(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-18. A moderator's hours are the minutes of their actions, each with the minutes of a lease after it."""
    hours = _active_minutes(connection, window, _lasting(options)) / 60
    decisions = _decisions(connection, window)
    yield quotient("I-18", "decisions_per_hour", decisions, hours, decisions)
    times = _decision_times(connection, window)
    yield figure("I-18", "seconds", times.quantile(0.5), times.n)
    yield figure("I-18", "decisions", decisions or None, decisions)
    yield figure("I-18", "reviewer_hours", hours or None, decisions)


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
    whole = cast(AUDIT.c.at / seconds, BigInteger)
    # A cast cuts on SQLite and rounds on PostgreSQL. The comparison makes both the same.
    unit = whole - case((whole * seconds > AUDIT.c.at, 1), else_=0)
    return select(AUDIT.c.actor, unit.label("unit")).where(*_within(window, *ACTS)).distinct()


def _active_minutes(connection: Connection, window: Window, lasting: int) -> int:
    """Return the minutes for which the moderators were active, added up."""
    acts = _acts(window, MINUTE).subquery()
    wait = func.lead(acts.c.unit).over(partition_by=acts.c.actor, order_by=acts.c.unit) - acts.c.unit
    each = select(case((wait < lasting, wait), else_=lasting).label("minutes")).subquery()
    return int(connection.scalar(select(func.coalesce(func.sum(each.c.minutes), 0))) or 0)


def _decisions(connection: Connection, window: Window) -> int:
    return int(connection.scalar(select(func.count()).where(*_within(window, "case.decide"))) or 0)


def _decision_times(connection: Connection, window: Window) -> Survival:
    """Return the times from taking a case to deciding it. The last action of the person before must be the taking."""
    before = [
        func.lag(AUDIT.c[name])
        .over(partition_by=(AUDIT.c.subject, AUDIT.c.actor), order_by=AUDIT.c.seq)
        .label(f"{name}_before")
        for name in ("at", "action")
    ]
    acts = select(AUDIT.c.at, AUDIT.c.action, *before).where(*_within(window, *ACTS)).subquery()
    seconds = ceiling(acts.c.at - acts.c.at_before)
    decided = (acts.c.action == "case.decide", acts.c.action_before == "case.claim")
    query = select(seconds.label("seconds"), func.count().label("n")).where(*decided).group_by("seconds")
    return Survival(Spell(row.seconds, row.n, 0) for row in connection.execute(query))
