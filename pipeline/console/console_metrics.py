"""The console's metrics: what people decide and apps confirm, and figures of the review store.

The figures are the same for every console process. A query takes their `max`.
"""

import math
from collections.abc import Iterable, Sequence
from typing import get_args

from msgspec import Struct
from prometheus_client import Gauge
from sqlalchemy import Connection, func, select

from pipeline.assessment.indicators import harm
from pipeline.assessment.options import of as options_of
from pipeline.base.metrics import Bound, from_zero
from pipeline.console.services import Services
from pipeline.contract.messages import Decision, Verdict
from pipeline.judge.labels import SEVERITIES
from pipeline.review.cases import eligibility, reading
from pipeline.review.delivery.enforcements import Confirmation, Result
from pipeline.review.quality import agreement_figures, audits, lead_figures, snapshot
from pipeline.review.quality.figure import Window
from pipeline.review.quality.lead_figures import WINDOW
from pipeline.review.quality.quality_checks import FINAL
from pipeline.review.quality.snapshot import REAL, verdict_now
from pipeline.review.quality.statistics import Estimate
from pipeline.review.quality.trends import QualityQuestion
from pipeline.review.tables.case_tables import COPIES
from pipeline.review.tables.core import CASES, DECISIONS

OTHER = "other"  # the metric label of a case whose label is not in the label file


class FirstReview(Struct, frozen=True):
    """The first final decision on a flagged case, and the facts about the case. Times are UTC seconds."""

    decision: Decision
    label: str
    severity: int
    created_at: float
    due_at: float


def from_the_start(services: Services) -> None:
    """Expose the counters from 0."""
    metrics, names = services.metrics, [*services.labels.labels, OTHER]
    from_zero(metrics.decisions, get_args(Verdict))
    from_zero(metrics.reviews, names, FINAL)
    from_zero(metrics.review_deadlines, SEVERITIES, ("met", "missed"))
    from_zero(metrics.actions, get_args(Result))
    from_zero(metrics.appeals, ("lodged", "upheld", "overturned", "reopened"))
    metrics.audit_checked.set(services.clock())  # so that a first check that never ends is noticed


def first_reviews(connection: Connection, made: Iterable[Decision]) -> list[FirstReview]:
    """Return the decisions that are the only final ones on flagged cases. The transaction that made them calls this."""
    final = {decision.case: decision for decision in made if decision.verdict in FINAL}
    finals = (DECISIONS.c.case_id == CASES.c.id, DECISIONS.c.verdict.in_(FINAL), DECISIONS.c.undone.is_(None))
    once = select(func.count()).select_from(DECISIONS).where(*finals).scalar_subquery()
    query = select(CASES.c.id, CASES.c.label, CASES.c.severity, CASES.c.created_at, CASES.c.due_at)
    rows = connection.execute(query.where(CASES.c.id.in_(final), *agreement_figures.FLAGGED, once == 1))
    return [FirstReview(final[row.id], row.label, row.severity, row.created_at, row.due_at) for row in rows]


def count_decisions(services: Services, made: Sequence[Decision], first: Iterable[FirstReview]) -> None:
    """Count decisions, once they are stored. Deadlines and times count for first reviews only."""
    metrics = services.metrics
    for decision in made:
        metrics.decisions.labels(decision.verdict).inc()
    for one in first:
        severity, at = SEVERITIES[one.severity], one.decision.at
        label = one.label if one.label in services.labels.labels else OTHER
        metrics.reviews.labels(label, one.decision.verdict).inc()
        metrics.review_deadlines.labels(severity, "met" if at <= one.due_at else "missed").inc()
        # Not below 0: two machines may have set these times, and their clocks differ.
        metrics.flag_to_review.labels(severity).observe(max(0.0, at - one.created_at))


def decided_at(connection: Connection, decision: str) -> float | None:
    """Return when a decision was made, in UTC seconds; None if it is not stored any more."""
    return connection.scalar(select(DECISIONS.c.at).where(DECISIONS.c.id == decision))


def count_action(services: Services, held: Confirmation, since: float | None) -> None:
    """Count an action that the app confirmed, and the time since its decision (`decided_at`)."""
    services.metrics.actions.labels(held.result).inc()
    if held.result == "done" and since is not None:
        # The time of the action comes from the clock of the app.
        services.metrics.review_to_action.observe(max(0.0, held.at - since))


def queue(services: Services) -> None:
    """Update the figures of the open cases."""
    now, metrics = services.clock(), services.metrics
    with services.database.read() as connection:
        waiting = reading.open_groups(connection, now)
        found = {each.severity: each for each in lead_figures.backlog(connection, waiting, now)}
        missing = eligibility.find_uncovered(connection, waiting, now)
    for number, severity in enumerate(SEVERITIES):
        state = found.get(number)
        metrics.open_cases.labels(severity).set(state.open if state else 0)
        metrics.late_cases.labels(severity).set(state.late if state else 0)
        metrics.oldest_case_seconds.labels(severity).set(state.oldest if state else 0)
    metrics.uncovered_cases.labels("nobody").set(sum(one.nobody for one in missing))
    metrics.uncovered_cases.labels("away").set(sum(one.away for one in missing))
    metrics.oldest_overdue_seconds.set(max(0.0, now - min((group.due for group in waiting), default=now)))


def quality(services: Services) -> None:
    """Update the figures of quality and harm of the last 30 days, and measure what the page of quality shows first."""
    now = services.clock()
    with services.database.read_in_background() as connection:
        _confirmed(services, connection, now - WINDOW)
        _sampled(services, connection, Window(now - WINDOW, now))
        _offenders(services, connection, now)
        _spread(services, connection, now)
    services.background.quality.look(QualityQuestion())


def offenders(connection: Connection, since: float) -> tuple[int, int]:
    """Return how many speakers have an upheld case since `since` (UTC seconds), and how many have at least two."""
    cases = (CASES.c.created_at >= since, REAL, CASES.c.id.not_in(COPIES))
    query = select(func.count().label("n")).where(*cases, CASES.c.speaker != "", verdict_now() == "uphold")
    n = query.group_by(CASES.c.speaker).subquery().c.n
    one, more = connection.execute(select(func.count(), func.count().filter(n >= 2)).select_from(n.table)).one()
    return int(one), int(more)


def _confirmed(services: Services, connection: Connection, since: float) -> None:
    shares = agreement_figures.confirmed(connection, since)
    for label in services.labels.labels:
        # NaN and not 0: without reviews the share is unknown.
        services.metrics.confirmed_ratio.labels(label).set(shares[label].value if label in shares else math.nan)


def _sampled(services: Services, connection: Connection, window: Window) -> None:
    snapshot.take_cases(connection, window.until, window.since)
    recall = audits.recall(audits.read_judged(connection, window))
    precision = audits.precision(audits.read_reviewed(connection, window))
    # Audits that found nothing give only a lower limit.
    found = Estimate(math.nan if recall.at_least else recall.value, recall.interval) if recall else None
    _set(services.metrics.recall_ratio, found)
    _set(services.metrics.precision_ratio, precision)
    services.metrics.decided_audits.set(recall.decided if recall else 0)


def _set(gauge: Gauge, estimate: Estimate | None) -> None:
    low, high = estimate.interval if estimate else (math.nan, math.nan)
    bounds: dict[Bound, float] = {"estimate": estimate.value if estimate else math.nan, "low": low, "high": high}
    for bound, value in bounds.items():
        gauge.labels(bound).set(value)


def _offenders(services: Services, connection: Connection, now: float) -> None:
    one, more = offenders(connection, now - WINDOW)
    services.metrics.upheld_speakers.set(one)
    services.metrics.repeat_offenders.set(more)


def _spread(services: Services, connection: Connection, now: float) -> None:
    options = options_of(services.settings, services.labels)
    terms = harm.speakers(connection, Window(now - options.spread, now), options.illegal)
    for label in sorted(options.illegal):
        counts = [count for (of, _), count in terms.items() if of == label]
        services.metrics.spread_speakers.labels(label).set(max(counts, default=0))
        services.metrics.spread_terms.labels(label).set(sum(count >= options.spread_speakers for count in counts))
