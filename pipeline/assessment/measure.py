"""Compute all indicators of a window, with limits, trend, and a mark where data cover only a part of the window."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, distinct, func, select

from pipeline.assessment.catalogue import INDICATORS, Indicator, Source
from pipeline.assessment.options import DAY_SECONDS, Options
from pipeline.review.accounts.presence import QUARTER
from pipeline.review.delivery.speech_tallies import HOUR
from pipeline.review.quality import snapshot
from pipeline.review.quality.figure import Figure, Window, check_full_hours, hours
from pipeline.review.quality.snapshot import REAL
from pipeline.review.tables.assessment_tables import ROOM_HOURS, TALLIES
from pipeline.review.tables.core import AUDIT, CASES
from pipeline.review.tables.people_tables import DUTY

Compute = Callable[[Connection, Window, Options], Iterator[Figure]]
Key = tuple[str, str, tuple[tuple[str, str], ...]]

OF_CASES: frozenset[Source] = frozenset(
    {"cases", "flags", "decisions", "audits", "opinions", "reports", "appeals", "actions", "evidence"}
)
"""Sources that retention and erasure delete with the cases."""
OF_TODAY = "I-23"
"""The indicator that asks what is kept today: it has no past, and reads decisions of half a year."""
BACK = (183 * DAY_SECONDS, 30 * DAY_SECONDS)
"""How long before the end of a window OF_TODAY reads decisions, and how long before its beginning others do: I-26."""


def measure(connection: Connection, window: Window, options: Options, last: Iterable[Figure] = ()) -> list[Figure]:
    """Return the figures of all indicators, in the order of the catalogue.

    `last` has the figures of the last final report, for the trend. Figures of one policy, model or source are returned
    only if there was more than one in the window.
    """
    partial = _partial(connection, window)
    before = {figure_key(figure): figure.value for figure in last}
    return [
        msgspec.structs.replace(
            figure,
            whole=figure.whole and partial.isdisjoint(INDICATORS[figure.indicator].sources),
            previous=before.get(figure_key(figure)),
            **_limited(figure, options),
        )
        for figure in _apart(connection, window, [*computed(connection, window, options)])
    ]


def limited(connection: Connection, window: Window, options: Options, names: Iterable[str]) -> Iterator[Figure]:
    """Yield the figures of some indicators with their limits, but without trend."""
    for figure in computed(connection, window, options, names):
        yield msgspec.structs.replace(figure, **_limited(figure, options))


def computed(
    connection: Connection, window: Window, options: Options, names: Iterable[str] = tuple(INDICATORS)
) -> Iterator[Figure]:
    """Yield the figures of indicators without limits and trend.

    Read all figures before you measure another window: both measurements use one table, SNAPSHOT. Raises InputError for
    a window that begins or ends within an hour.
    """
    check_full_hours(window)
    connection.execution_options(purpose="shared")  # a report shows the SQL of each purpose
    chosen = tuple(names)
    take_snapshot(connection, window, chosen)
    # One function may compute several indicators. It runs once, at the place of the first.
    for compute in dict.fromkeys(function(INDICATORS[name]) for name in chosen):
        same = [name for name in chosen if function(INDICATORS[name]) is compute]
        connection.execution_options(purpose=" ".join(same))
        yield from (figure for figure in compute(connection, window, options) if figure.indicator in chosen)


def take_snapshot(connection: Connection, window: Window, names: Iterable[str] = tuple(INDICATORS)) -> None:
    """Fill the tables of the snapshot with the cases and decisions that these figures of the window read."""
    since = window.since - BACK[1]
    snapshot.take(connection, window.until, min(since, window.until - BACK[0]) if OF_TODAY in names else since)


def function(indicator: Indicator) -> Compute:
    """Return the function that computes an indicator. It may compute others, too, that have the same sources."""
    module, _, name = indicator.compute.partition(":")
    # Imported by name, so that catalogue.yaml alone says what computes an indicator.
    found: Compute = getattr(import_module(f"pipeline.assessment.indicators.{module}"), name)
    return found


def figure_key(figure: Figure) -> Key:
    """Return what tells a figure from the others of its window."""
    return figure.indicator, figure.key, tuple(sorted(figure.split.items()))


def _limited(figure: Figure, options: Options) -> dict[str, float | bool | None]:
    """Return the fields `threshold` and `met`. A limit holds for the figure of all speech."""
    limit = None if figure.split else options.limits.get(f"{figure.indicator}.{figure.key}")
    if limit is None or figure.value is None:
        return {"threshold": limit, "met": None}
    lower = INDICATORS[figure.indicator].values[figure.key].better == "lower"
    return {"threshold": limit, "met": figure.value <= limit if lower else figure.value >= limit}


def _apart(connection: Connection, window: Window, found: Sequence[Figure]) -> Iterator[Figure]:
    """Leave out the figures of the only policy, model or source: they repeat the figures of all speech."""
    counts = [func.count(distinct(TALLIES.c[name])) for name in ("policy", "model")]
    judged = (TALLIES.c.measure == "judged", TALLIES.c.hour >= hours(window).start, TALLIES.c.hour < hours(window).stop)
    used = connection.execute(select(*counts).where(*judged)).one()
    sources = len({each.split["source"] for each in found if "source" in each.split})
    same = {name for name, count in zip(("policy", "model", "source"), (*used, sources), strict=True) if count <= 1}
    return (figure for figure in found if same.isdisjoint(figure.split))


def first_counted(connection: Connection) -> float | None:
    """Return the first hour with counted speech, as UTC seconds; None if there is none yet."""
    spoken = select(TALLIES.c.hour).where(TALLIES.c.measure == "segmented").order_by(TALLIES.c.hour).limit(1)
    hour: int | None = connection.scalar(spoken)
    return None if hour is None else hour * HOUR


def _partial(connection: Connection, window: Window) -> frozenset[Source]:
    """Return the sources whose data cover only a part of the window."""
    begun = first_counted(connection)
    tallied = math.inf if begun is None else begun
    # The earlier of the two: at a quiet time there is speech, but no case.
    stored = min(tallied, _first(connection, select(func.min(CASES.c.created_at)).where(REAL)))
    logged = _first(connection, select(AUDIT.c.at).order_by(AUDIT.c.seq).limit(1))
    listed = _first(connection, select(func.min(ROOM_HOURS.c.hour))) * HOUR
    staffed = _first(connection, select(func.min(DUTY.c.quarter))) * QUARTER
    late: set[Source] = set()
    if tallied > window.since:
        late.add("tallies")
    if stored > window.since or _deleted(connection, window):
        late |= OF_CASES
    if logged > window.since:
        late.add("audit_log")
    if staffed > window.since:
        late.add("duty")
    if window.since < listed < math.inf:  # without any ledger, what needs it has no value
        late.add("ledger")
    return frozenset(late)


def _first(connection: Connection, query: Select[Any]) -> float:
    """Return the time that a query finds; infinity if it finds none."""
    found: float | None = connection.scalar(query)
    return math.inf if found is None else found


def _deleted(connection: Connection, window: Window) -> bool:
    """Tell whether cases that may have been stored in the window or later are deleted already."""
    query = (
        select(AUDIT.c.action, AUDIT.c.detail, func.max(AUDIT.c.at).label("at"))
        .where(AUDIT.c.at > window.since, AUDIT.c.action.in_(("case.expire", "case.erase")))
        .group_by(AUDIT.c.action, AUDIT.c.detail)
    )
    rows = connection.execute(query)
    # The log does not say when a deleted case was stored, but retention deletes a case only after `days`. An erasure
    # has no `days`: its case may have been stored just before.
    return any(row.at - msgspec.json.decode(row.detail).get("days", 0) * DAY_SECONDS > window.since for row in rows)
