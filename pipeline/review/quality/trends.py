"""Figures of quality over time: arrivals and decisions, precision and agreement by label and by week.

They read most cases of a period, so a page takes them from a cache (`background_figures.py`). The caller opens the
connection. Times are UTC seconds. A period consists of buckets of equal length and ends with the last full hour.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, func, select

from pipeline.review.cases import appeals, reading
from pipeline.review.quality import agreement_figures, audits, lead_figures, snapshot
from pipeline.review.quality.agreement_figures import FLAGGED, Agreement
from pipeline.review.quality.audits import Recall
from pipeline.review.quality.figure import Window
from pipeline.review.quality.snapshot import floor, in_force
from pipeline.review.quality.statistics import Estimate, Share
from pipeline.review.tables.assessment_tables import TALLIES
from pipeline.review.tables.core import CASES, DECISIONS

HOUR = 3_600
DAY = 24 * HOUR
WEEK = 7 * DAY
WEEKS = 12
"""Weeks of the figures by week, whatever the period."""

Period = Literal["day", "week", "month", "quarter"]
PERIODS: Mapping[Period, tuple[int, int]] = {
    "day": (HOUR, 24),
    "week": (6 * HOUR, 28),
    "month": (DAY, 30),
    "quarter": (WEEK, WEEKS),
}
"""The length of a bucket in seconds, and their number."""


class QualityQuestion(Struct, frozen=True):
    """What a reader asks for: a period, and a label; empty: all labels."""

    period: Period = "month"
    label: str = ""


class Flow(Struct, frozen=True):
    """The cases that arrived and were decided in a bucket, which begins at `at`."""

    at: float
    arrived: int
    decided: int


class WeekQuality(Struct, frozen=True):
    """The precision and the agreement of a week, which begins at `at`."""

    at: float
    precision: Share
    agreement: Agreement


class VersionChange(Struct, frozen=True):
    """The first use of a policy or a model in a period. Series do not join over it."""

    at: float
    kind: Literal["policy", "model"]
    name: str


class QualityFigures(Struct, frozen=True, kw_only=True):
    """The figures of the quality page."""

    since: float
    until: float
    step: int
    """Seconds of a bucket of `flow`."""
    flow: tuple[Flow, ...]
    in_time: Share
    """Decisions of the period before the deadline of their case."""
    overturned: Share
    open_appeals: int
    agreement: Agreement
    golden: Share
    precision: dict[str, Share]
    """By label: the upheld part of the decided flagged cases."""
    agreements: dict[str, Agreement]
    """By label."""
    weeks: tuple[WeekQuality, ...]
    changes: tuple[VersionChange, ...]
    """Of the last WEEKS weeks."""
    recall: Recall | None
    sampled: Estimate | None
    """The precision over all flagged cases, from second opinions."""
    muted: int
    """Flags that opened no case because their phrase was muted."""


def measure(connection: Connection, asked: QualityQuestion, at: float) -> QualityFigures:
    """Measure the figures at the time `at`."""
    step, count = PERIODS[asked.period]
    until = at // HOUR * HOUR
    since = until - step * count
    # `audits` reads the snapshot below.
    snapshot.take_cases(connection, until, since)
    window = Window(since, until)
    pairs = [pair for pair in agreement_figures.pairs(connection, since, until) if asked.label in {"", pair.label}]
    answers = [one for one in agreement_figures.answers(connection, since, until) if asked.label in {"", one.label}]
    settled = appeals.settled(connection, since)
    return QualityFigures(
        since=since,
        until=until,
        step=step,
        flow=flow(connection, since, step, count, asked.label),
        in_time=in_time(connection, since, until, asked.label),
        overturned=Share(settled.overturned, settled.settled),
        open_appeals=appeals.open_count(connection),
        agreement=agreement_figures.agreement(pairs),
        golden=agreement_figures.correct(answers),
        precision=_of(agreement_figures.confirmed(connection, since, until), asked.label),
        agreements=agreement_figures.by_label(pairs),
        weeks=weeks(connection, until, asked.label),
        changes=changes(connection, until - WEEKS * WEEK, until),
        recall=audits.recall(audits.read_judged(connection, window)),
        sampled=audits.precision(audits.read_reviewed(connection, window)),
        muted=muted(connection, since, until),
    )


def flow(connection: Connection, since: float, step: int, count: int, label: str = "") -> tuple[Flow, ...]:
    """Count the arrivals and the decisions in `count` buckets of `step` seconds from `since` on.

    Checks count, too, because they are work. Undone decisions and escalations do not.
    """
    until = since + step * count
    of_label = (CASES.c.label == label,) if label else ()
    stored = select(_bucket(CASES.c.created_at, since, step), func.count())
    stored = stored.where(CASES.c.created_at >= since, CASES.c.created_at < until, *of_label)
    made = select(_bucket(DECISIONS.c.at, since, step), func.count())
    made = made.where(DECISIONS.c.at >= since, *in_force(until))
    if label:
        made = made.join(CASES, CASES.c.id == DECISIONS.c.case_id).where(*of_label)
    arrived, decided = (_counts(connection, query) for query in (stored, made))
    return tuple(Flow(since + step * n, arrived.get(n, 0), decided.get(n, 0)) for n in range(count))


def in_time(connection: Connection, since: float, until: float, label: str = "") -> Share:
    """Return the share of decisions that came before the deadline of their case."""
    query = select(func.count().filter(DECISIONS.c.at <= CASES.c.due_at), func.count())
    query = query.join(CASES, CASES.c.id == DECISIONS.c.case_id).where(DECISIONS.c.at >= since, *in_force(until))
    hits, n = connection.execute(query.where(CASES.c.label == label) if label else query).one()
    return Share(int(hits), int(n))


def weeks(connection: Connection, until: float, label: str = "") -> tuple[WeekQuality, ...]:
    """Return the precision and the agreement of the last WEEKS weeks before `until`, oldest first."""
    since = until - WEEKS * WEEK
    counts = _weekly_verdicts(connection, since, until, label)
    pairs = [pair for pair in agreement_figures.pairs(connection, since, until) if label in {"", pair.label}]
    found = []
    for n in range(WEEKS):
        begin = since + n * WEEK
        theirs = [pair for pair in pairs if begin <= pair.second.at < begin + WEEK]
        hits, misses = counts.get((n, "uphold"), 0), counts.get((n, "dismiss"), 0)
        found.append(WeekQuality(begin, Share(hits, hits + misses), agreement_figures.agreement(theirs)))
    return tuple(found)


def changes(connection: Connection, since: float, until: float) -> tuple[VersionChange, ...]:
    """Return the policies and models that were first used in this time, oldest first. The very first are no change."""
    found: list[VersionChange] = []
    kinds: tuple[Literal["policy", "model"], ...] = ("policy", "model")
    for kind in kinds:
        first = func.min(TALLIES.c.hour)
        query = select(TALLIES.c[kind], first).where(TALLIES.c.measure == "judged").group_by(TALLIES.c[kind])
        rows = connection.execute(query.order_by(first)).all()[1:]
        found += [VersionChange(hour * HOUR, kind, name) for name, hour in rows if since <= hour * HOUR < until]
    return tuple(sorted(found, key=lambda change: (change.at, change.kind, change.name)))


def muted(connection: Connection, since: float, until: float) -> int:
    """Count the flags that opened no case because their phrase was muted."""
    within = (TALLIES.c.hour >= int(since) // HOUR, TALLIES.c.hour < int(until) // HOUR)
    query = select(func.coalesce(func.sum(TALLIES.c["count"]), 0))
    query = query.where(TALLIES.c.measure == "judged", TALLIES.c.bucket == "muted", *within)
    return int(connection.execute(query).scalar_one())


def _weekly_verdicts(connection: Connection, since: float, until: float, label: str) -> dict[tuple[int, str], int]:
    """Count the flagged cases by the week of their last decision and by their verdict."""
    last = select(DECISIONS.c.case_id, func.max(DECISIONS.c.at).label("at"))
    last = last.where(DECISIONS.c.at >= since, *in_force(until)).group_by(DECISIONS.c.case_id)
    decided = last.subquery().c
    query = select(_bucket(decided.at, since, WEEK), CASES.c.verdict, func.count())
    query = query.join(CASES, CASES.c.id == decided.case_id).where(*FLAGGED)
    if label:
        query = query.where(CASES.c.label == label)
    rows = connection.execute(query.group_by(query.selected_columns[0], CASES.c.verdict))
    return {(int(week), verdict): int(n) for week, verdict, n in rows}


def _bucket(at: ColumnElement[float], since: float, step: int) -> ColumnElement[int]:
    return floor((at - since) / step)


def _counts(connection: Connection, query: Any) -> dict[int, int]:
    # The column itself: PostgreSQL takes the same expression with new parameters for another one.
    rows = connection.execute(query.group_by(query.selected_columns[0]))
    return {int(bucket): int(n) for bucket, n in rows}


def _of(found: Mapping[str, Share], label: str) -> dict[str, Share]:
    return {name: share for name, share in found.items() if label in {"", name}}


class TeamFigures(Struct, frozen=True):
    """What is open now, and who works on it."""

    backlog: Sequence[lead_figures.QueueState]
    forecast: lead_figures.Forecast
    in_time: Share
    loads: Sequence[lead_figures.Load]


def team(connection: Connection, at: float) -> TeamFigures:
    """Measure the team's figures at the time `at`."""
    return TeamFigures(
        lead_figures.backlog(connection, reading.open_groups(connection, at), at),
        lead_figures.forecast(connection, at),
        lead_figures.in_time(connection, at - DAY),
        lead_figures.loads(connection, at),
    )
