"""How fast speech is flagged, reviewed and acted on: I-05 to I-07."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Subquery, case, func, select

from pipeline.assessment.catalogue import figure, quotient
from pipeline.assessment.decided import REAL, ceiling, firsts, floor, standing
from pipeline.assessment.figure import Figure, Unmeasured, Window
from pipeline.assessment.options import Options
from pipeline.assessment.survival import Spell, Survival
from pipeline.assessment.totals import Totals, split, totals
from pipeline.judge.labels import SEVERITIES
from pipeline.review.delivery.tallies import DELAYS
from pipeline.review.quality.figures import FLAGGED
from pipeline.review.tables.core import CASES, DECISIONS
from pipeline.review.tables.duties import ACTIONS

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
REVIEWED = ("severity", "label", "language", "room_type", "policy")
HANDLED = ("severity", "label")

Part = tuple[tuple[str, str], ...]
"""A part of the cases: a dimension and its value, or nothing for all cases."""


def detection(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-05, from the classes of delay in the tallies."""
    del options
    found = totals(connection, window, ["delay"], "bucket", "room_type", "language", "policy", "model")
    for part, flags in split(found, room_type=1, language=2, policy=3, model=4):
        counts, n = _by_bound(flags), sum(total.n for total in flags.values())
        for key, share in QUANTILES.items():
            value = interpolated(counts, share) if n else None
            yield figure("I-05", key, value, n, part, "censored" if n else "no_data")


def interpolated(counts: Mapping[str, int], share: float) -> float | None:
    """Return a quantile of delays that were counted in the classes DELAYS, linear inside its class.

    None: it is above the last limit. `counts` must contain at least one delay.
    """
    wanted, below, lower = share * sum(counts.values()), 0, 0.0
    for upper in DELAYS:
        count = counts.get(f"{upper:g}", 0)
        if count and below + count >= wanted:
            return lower + (upper - lower) * (wanted - below) / count
        below, lower = below + count, upper
    return None


def review(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-06, for the cases that the machine flagged in the window."""
    for part, waits in _by_part(_reviews(connection, window), *REVIEWED).items():
        survival = waits.survival()
        for key in ("p50", "p95"):
            yield _quantile("I-06", key, survival, part)
        yield figure("I-06", "in_time", waits.in_time(options.targets), survival.n, dict(part), _reason(survival))
        yield figure("I-06", "undecided", survival.open if survival.n else None, survival.n, dict(part))


def handling(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-07, for the upheld cases of the window in which a moderator ordered an action."""
    del options
    confirms = (
        connection.scalar(select(ACTIONS.c.decision).where(ACTIONS.c.received_at < window.until).limit(1)) is not None
    )
    for part, waits in _by_part(_handled(connection, window), *HANDLED).items():
        survival = waits.survival()
        if not confirms:
            yield from (_unconfirmed(key, survival.n, part) for key in ("p50", "p95", "confirmed"))
            continue
        for key in ("p50", "p95"):
            yield _quantile("I-07", key, survival, part)
        yield quotient("I-07", "confirmed", survival.n - survival.open, survival.n, survival.n, dict(part))


class Waits:
    """How long the cases of one part of the speech waited, by severity."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], tuple[int, int]] = defaultdict(lambda: (0, 0))

    def add(self, row: Row[Any]) -> None:
        key, (ended, waiting) = (row.severity, row.seconds), (row.ended, row.open)
        before = self._cells[key]
        self._cells[key] = before[0] + ended, before[1] + waiting

    def survival(self, severity: int | None = None) -> Survival:
        return Survival(
            Spell(seconds, *counts) for (of, seconds), counts in self._cells.items() if severity in {None, of}
        )

    def in_time(self, targets: Sequence[float]) -> float | None:
        """Return the share decided within the target of its severity: the mean, weighted by the number of cases."""
        severities = sorted({severity for severity, _ in self._cells})
        waits = [(self.survival(severity), targets[severity]) for severity in severities]
        shares = [(waits.n, share) for waits, target in waits if (share := waits.over_after(target)) is not None]
        return sum(n * share for n, share in shares) / sum(n for n, _ in shares) if shares else None


def _by_part(rows: Iterable[Row[Any]], *dimensions: str) -> dict[Part, Waits]:
    """Return the waits of all cases, and of the cases of each value of each dimension."""
    parts: dict[Part, Waits] = {(): Waits()}
    for row in rows:
        parts[()].add(row)
        for name in dimensions:
            value = SEVERITIES[row.severity] if name == "severity" else getattr(row, name)
            parts.setdefault(((name, value),), Waits()).add(row)
    return dict(sorted(parts.items()))


def _reviews(connection: Connection, window: Window) -> Iterable[Row[Any]]:
    """Return the numbers of cases that waited equally long for their first decision."""
    decided = firsts(window.until)
    over = decided.c.at.is_not(None)
    seconds = case((over, ceiling(decided.c.at - CASES.c.created_at)), else_=floor(window.until - CASES.c.created_at))
    names = [CASES.c[name] for name in REVIEWED]
    waits = select(*names, seconds.label("seconds"), over.label("over")).where(*_in_window(window), *FLAGGED)
    return connection.execute(_counted(waits.outerjoin(decided, decided.c.case_id == CASES.c.id), *REVIEWED))


def _handled(connection: Connection, window: Window) -> Iterable[Row[Any]]:
    """Return the numbers of cases whose ordered action took equally long."""
    ordered = _ordered(window.until)
    over = ordered.c.done_at.is_not(None)
    seconds = case((over, ceiling(ordered.c.done_at - CASES.c.end)), else_=floor(window.until - CASES.c.end))
    waits = select(CASES.c.severity, CASES.c.label, seconds.label("seconds"), over.label("over"))
    waits = waits.join(ordered, ordered.c.case_id == CASES.c.id).where(*_in_window(window), *FLAGGED)
    return connection.execute(_counted(waits, *HANDLED))


def _ordered(until: float) -> Subquery:
    """Return, by case with an ordered action, the time when the app had carried out the first one; NULL: not yet."""
    done = case(((ACTIONS.c.result == "done") & (ACTIONS.c.received_at < until), ACTIONS.c.at))
    query = select(DECISIONS.c.case_id, func.min(done).label("done_at")).outerjoin(ACTIONS)
    return query.where(DECISIONS.c.action.is_not(None), *standing(until)).group_by(DECISIONS.c.case_id).subquery()


def _counted(waits: Select[Any], *dimensions: str) -> Select[Any]:
    """Return a query that counts equal waits, ended and open ones."""
    rows = waits.subquery()
    names = [rows.c[name] for name in dimensions]
    ended = func.sum(case((rows.c.over, 1), else_=0))
    return select(*names, rows.c.seconds, ended.label("ended"), (func.count() - ended).label("open")).group_by(
        *names, rows.c.seconds
    )


def _in_window(window: Window) -> tuple[ColumnElement[bool], ...]:
    return CASES.c.created_at >= window.since, CASES.c.created_at < window.until, REAL


def _by_bound(flags: Totals) -> Mapping[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for key, total in flags.items():
        counts[key[0]] += total.n
    return counts


def _quantile(indicator: str, key: str, survival: Survival, part: Part) -> Figure:
    value = survival.quantile(QUANTILES[key])
    return figure(indicator, key, value, survival.n, dict(part), _reason(survival))


def _reason(survival: Survival) -> Unmeasured:
    return "censored" if survival.n else "no_data"


def _unconfirmed(key: str, n: int, part: Part) -> Figure:
    return figure("I-07", key, None, n, dict(part), "needs_confirmations")
