"""Whether enough moderators are at work: I-16 to I-18, from the audit log.

The audit log is kept longer than the cases, and it names the person of each action. Views are left out, because leads
and auditors look at cases too.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from pipeline.assessment.catalogue import figure, quotient
from pipeline.assessment.options import Options
from pipeline.assessment.survival import Spell, Survival
from pipeline.review.quality.figure import Figure, Totals, Window, totals
from pipeline.review.quality.snapshot import MICROSECOND
from pipeline.review.tables.core import AUDIT

MINUTE = 60
STREAM = {"yield_per": 10_000}
"""A quarter may have millions of lines, so they are read in pieces."""
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
    ratios = sorted(reviewers[int(hour)] / found.n for (hour,), found in rooms.items() if found.n)
    n = len(ratios)
    yield figure("I-16", "min", ratios[0] if n else None, n)
    yield figure("I-16", "p5", ratios[math.ceil(0.05 * n) - 1] if n else None, n)


def _duty_cover(done: ReviewerWork, window: Window, lasting: int, logged: bool) -> Iterator[Figure]:
    """I-17, over the minutes that begin in the window. Without an audit log, nobody knows who was on duty."""
    minutes = range(math.ceil(window.since / MINUTE), math.ceil(window.until / MINUTE))
    gaps = list(_gaps(sorted(done.acted), minutes, lasting))
    n = len(minutes) if logged else 0
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


def _read(connection: Connection, window: Window, lasting: int) -> ReviewerWork:
    """Add up the work, line by line: a window function would sort all lines, which takes longer."""
    early = (AUDIT.c.at >= window.since - lasting * MINUTE, AUDIT.c.at < window.until, AUDIT.c.action.in_(ACTS))
    query = select(AUDIT.c.actor, AUDIT.c.at, AUDIT.c.action, AUDIT.c.subject).where(*early).order_by(AUDIT.c.seq)
    done = ReviewerWork()
    last: dict[str, int] = {}
    taken: dict[tuple[str, str], float] = {}
    for person, at, action, case_id in connection.execute(query, execution_options=STREAM):
        minute = int(at // MINUTE)
        done.acted.add(minute)
        if at < window.since:
            continue
        done.hours.add((person, minute // 60))
        done.minutes += max(0, min(minute - last.get(person, minute - lasting), lasting))
        last[person] = minute
        begun = taken.pop((person, case_id), None)
        if action == "case.claim":
            taken[person, case_id] = at
        elif action == "case.decide":
            done.decisions += 1
            done.times.update([] if begun is None else [math.ceil(at - begun - MICROSECOND)])
    return done
