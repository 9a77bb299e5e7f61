"""How fast speech is flagged, reviewed and acted on: I-05 to I-07.

Waits are in columns, because a quarter may have a million cases.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, Select, case, select

from pipeline.assessment.catalogue import figure, quotient
from pipeline.assessment.options import Options
from pipeline.judge.labels import SEVERITIES
from pipeline.review.database import json_list
from pipeline.review.delivery.speech_tallies import DELAY_ERROR, DELAYS
from pipeline.review.quality.audits import within
from pipeline.review.quality.figure import Figure, Totals, Unmeasured, Window, split, totals
from pipeline.review.quality.snapshot import FLAGGED, SNAPSHOT, ceiling, floor
from pipeline.review.quality.statistics import ROUNDING, Survival
from pipeline.review.tables.assessment_tables import ACTIONS

Part = dict[str, str]
"""A part of the cases: a dimension and its value, or nothing for all cases."""


class CaseWaits(Struct, frozen=True, eq=False):
    """Cases, one in each place of the arrays. `over` tells whether a wait had ended."""

    severity: NDArray[np.int64]
    seconds: NDArray[np.int64]
    over: NDArray[np.bool_]

    def where(self, chosen: NDArray[np.bool_]) -> "CaseWaits":
        return CaseWaits(self.severity[chosen], self.seconds[chosen], self.over[chosen])

    def survival(self) -> Survival:
        ended, n_ended = np.unique(self.seconds[self.over], return_counts=True)
        still, n_still = np.unique(self.seconds[~self.over], return_counts=True)
        both = np.concatenate
        return Survival.counted(both((ended, still)), both((n_ended, 0 * n_still)), both((0 * n_ended, n_still)))

    def in_time(self, targets: Sequence[float]) -> float | None:
        """Return the share that ended within the target of its severity: the mean, weighted by the number of cases.

        None: there are no cases, or none was observed for as long as its target and none ended within it.
        """
        waits = [(self.where(self.severity == one).survival(), targets[one]) for one in np.unique(self.severity)]
        shares = [(some.n, share) for some, target in waits if (share := some.over_after(target)) is not None]
        return sum(n * share for n, share in shares) / sum(n for n, _ in shares) if shares else None


def parts(connection: Connection, query: Select[Any], *dimensions: str) -> Iterator[tuple[Part, CaseWaits]]:
    """Yield the waits of all cases, and of the cases of each value of each dimension.

    `query` has the columns `severity`, `seconds` and `over`, and one for each of the `dimensions`.
    """
    each = query.subquery().c
    packed = connection.execute(select(*(json_list(connection, column).label(column.name) for column in each))).one()
    waits = CaseWaits(
        np.array(_column(packed, "severity"), np.int64),
        np.array(_column(packed, "seconds"), np.int64),
        np.array(_column(packed, "over"), np.bool_),
    )
    yield {}, waits
    for code, severity in enumerate(SEVERITIES):
        if (chosen := waits.severity == code).any():
            yield {"severity": severity}, waits.where(chosen)
    for name in dimensions:
        column = _column(packed, name)
        codes = {value: code for code, value in enumerate(sorted(set(column)))}
        numbers = np.fromiter(map(codes.__getitem__, column), np.int64, len(column))
        for value, code in codes.items():
            yield {name: value}, waits.where(numbers == code)


def _column(packed: Row[*tuple[Any, ...]], name: str) -> list[Any]:
    found: list[Any] = msgspec.json.decode(getattr(packed, name) or "[]")
    return found


QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def detection(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-05, from the classes of delay in the tallies."""
    del options
    found = totals(connection, window, ["delay"], "bucket", "room_type", "language", "policy", "model")
    for part, flags in split(found, room_type=1, language=2, policy=3, model=4):
        counts, n = _by_bound(flags), sum(total.n for total in flags.values())
        for key, share in QUANTILES.items():
            value = quantile(counts, share) if n else None
            yield figure("I-05", key, value, n, part, "censored" if n else "no_data")


def quantile(counts: Mapping[str, int], share: float) -> float | None:
    """Return a quantile of delays that were counted in the classes DELAYS. Its error is at most DELAY_ERROR of it.

    None: it is above the last limit. `counts` must contain at least one delay.
    """
    wanted, below = share * sum(counts.values()) - ROUNDING, 0
    for upper in DELAYS:
        below += counts.get(f"{upper:g}", 0)
        if below >= wanted:
            return upper * (1 - DELAY_ERROR)  # as far from both ends of its class, relative to them
    return None


def review(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-06, for the cases that the machine flagged in the window."""
    for part, found in parts(connection, _reviews(window), "label", "language", "room_type", "policy"):
        survival = found.survival()
        for key in ("p50", "p95"):
            yield _quantile("I-06", key, survival, part)
        yield figure("I-06", "in_time", found.in_time(options.targets), survival.n, part, _reason(survival))
        yield figure("I-06", "undecided", survival.open if survival.n else None, survival.n, part)


def handling(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-07, for the upheld cases of the window in which a moderator ordered an action."""
    del options
    # An app that never confirms would look as if it never acted.
    confirmed = select(ACTIONS.c.decision).where(ACTIONS.c.received_at < window.until).limit(1)
    confirms = connection.scalar(confirmed) is not None
    for part, found in parts(connection, _handled(window), "label"):
        yield from _handling(found.survival(), part) if confirms else _unconfirmed(len(found.seconds), part)


def _reviews(window: Window) -> Select[Any]:
    """Return the query for the time that each case waited for its first decision."""
    begin, end = SNAPSHOT.c.created_at, SNAPSHOT.c.first_at
    over = end.is_not(None)
    # Whole seconds, so that equal waits can be counted together. An open wait is rounded down: it is not longer yet.
    seconds = case((over, ceiling(end - begin)), else_=floor(window.until - begin))
    names = [SNAPSHOT.c[name] for name in ("severity", "label", "language", "room_type", "policy")]
    return select(*names, seconds.label("seconds"), over.label("over")).where(FLAGGED, *within(begin, window))


def _handled(window: Window) -> Select[Any]:
    """Return the query for the time that each case took until the app carried out the first ordered action."""
    done, over = SNAPSHOT.c.done_at, SNAPSHOT.c.done_at.is_not(None)
    seconds = case((over, ceiling(done - SNAPSHOT.c.end)), else_=floor(window.until - SNAPSHOT.c.end))
    query = select(SNAPSHOT.c.severity, SNAPSHOT.c.label, seconds.label("seconds"), over.label("over"))
    return query.where(FLAGGED, SNAPSHOT.c.ordered > 0, *within(SNAPSHOT.c.created_at, window))


def _by_bound(flags: Totals) -> Mapping[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for key, total in flags.items():
        counts[key[0]] += total.n
    return counts


def _handling(survival: Survival, part: Part) -> Iterator[Figure]:
    for key in ("p50", "p95"):
        yield _quantile("I-07", key, survival, part)
    yield quotient("I-07", "confirmed", survival.n - survival.open, survival.n, survival.n, part)


def _unconfirmed(n: int, part: Part) -> Iterator[Figure]:
    for key in ("p50", "p95", "confirmed"):
        yield figure("I-07", key, None, n, part, "needs_confirmations")


def _quantile(indicator: str, key: str, survival: Survival, part: Part) -> Figure:
    return figure(indicator, key, survival.quantile(QUANTILES[key]), survival.n, part, _reason(survival))


def _reason(survival: Survival) -> Unmeasured:
    return "censored" if survival.n else "no_data"
