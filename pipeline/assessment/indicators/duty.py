"""Whether enough moderators were on duty: I-16 and I-17.

The console records who is on duty by the quarter hour (`pipeline/review/accounts/presence.py`). Quarter hours before
its first record are left out: nobody knows who was on duty then.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import groupby

from sqlalchemy import Connection, func, select

from pipeline.assessment.catalogue import figure, quotient
from pipeline.assessment.options import Options
from pipeline.review.accounts.presence import QUARTER
from pipeline.review.cases.eligibility import DECIDING
from pipeline.review.delivery.speech_tallies import HOUR
from pipeline.review.quality.figure import Figure, Unmeasured, Window, quarters, totals
from pipeline.review.tables.people_tables import DUTY

QUARTERS = HOUR // QUARTER
"""Quarter hours of an hour."""


def reviewers_to_rooms(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-16, over the recorded hours in which somebody spoke."""
    recorded, moderators = _recorded(connection, window), _moderators(connection, window)
    rooms = {int(hour): found.n for (hour,), found in totals(connection, window, ["rooms"], "hour").items() if found.n}
    ratios = sorted(
        sum(moderators.get(hour * QUARTERS + part, 0) for part in range(QUARTERS)) / QUARTERS / n
        for hour, n in rooms.items()
        if hour * QUARTERS in recorded
    )
    n = len(ratios)
    reason: Unmeasured = "not_recorded" if rooms else "no_data"
    yield figure("I-16", "min", ratios[0] if n else None, n, unmeasured=reason)
    yield figure("I-16", "p5", ratios[math.ceil(0.05 * n) - 1] if n else None, n, unmeasured=reason)


def cover(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-17, over the recorded quarter hours of the window."""
    recorded, moderators = _recorded(connection, window), _moderators(connection, window)
    covered = [quarter in moderators for quarter in recorded]
    gaps = (len(list(gap)) for present, gap in groupby(covered) if not present)
    n = len(covered)
    yield quotient("I-17", "share", sum(covered), n, n, unmeasured="not_recorded")
    longest = max(gaps, default=0) * QUARTER if n else None
    yield figure("I-17", "longest_gap", longest, n, unmeasured="not_recorded")


def _recorded(connection: Connection, window: Window) -> range:
    """Return the quarter hours that begin in the window, since the first record of duty."""
    inside = quarters(window)
    first = connection.scalar(select(func.min(DUTY.c.quarter)))
    return range(inside.stop if first is None else max(first, inside.start), inside.stop)


def _moderators(connection: Connection, window: Window) -> Mapping[int, int]:
    """Return the number of people on duty who may decide cases, by quarter hour, without those that had none."""
    inside = quarters(window)
    kept = (DUTY.c.quarter >= inside.start, DUTY.c.quarter < inside.stop, DUTY.c.role.in_(sorted(DECIDING)))
    query = select(DUTY.c.quarter, func.count().label("n")).where(*kept).group_by(DUTY.c.quarter)
    return {row.quarter: row.n for row in connection.execute(query)}
