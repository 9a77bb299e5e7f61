"""How users' reports and appeals are handled: I-19 and I-20."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select, and_, case, exists, func, select
from sqlalchemy.orm import aliased

from pipeline.assessment.catalogue import figure
from pipeline.assessment.indicators.judgement import actions, parts, share
from pipeline.assessment.indicators.record_keeping import counted, in_use
from pipeline.assessment.options import Options
from pipeline.review.quality.audits import within
from pipeline.review.quality.figure import Figure, Unmeasured, Window
from pipeline.review.quality.snapshot import REAL, SNAPSHOT, UPHELD, UPHOLDS, ceiling, floor, in_force
from pipeline.review.quality.statistics import Share, Spell, Survival
from pipeline.review.tables.case_tables import APPEALS, REPORTS
from pipeline.review.tables.core import AUDIT, CASES, DECISIONS, OUTBOX

QUANTILES = {"p50": 0.5, "p95": 0.95}
TAKEN_UP = ("case.claim", "case.decide")
"""Lines of the audit log that show that a person has taken up a case."""


def handled_reports(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-19, for the reports that arrived in the window. The label is the one that the reporter gave."""
    used, taken_up = in_use(connection, window), _taken_up(connection, window)
    for part, rows in parts(_reports(connection, window), "label"):
        yield counted("I-19", "received", sum(row.n for row in rows), used, part)
        taken = _survival([row for row in taken_up if part.get("label") in {None, row.label}])
        yield _in_time("I-19", "acknowledged", taken, part, options.acknowledge)
        yield from _times("I-19", rows, part, options.report)
        closed = [row for row in rows if row.over]
        for key in ("substantiated", "feedback"):
            yield share("I-19", key, _counted(closed, key), part)


def appeals(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-20, for the appeals that were lodged in the window, compared with the actions of the window."""
    rows = _appeals(connection, window)
    ordered = {row.label: row.n for row in _actions(connection, window)}
    # Also the labels with actions and no appeal: their share is 0.
    labels, used = sorted(({row.label for row in rows} | set(ordered)) - {""}), in_use(connection, window)
    for label in ("", *labels):
        part = {"label": label} if label else {}
        chosen = [row for row in rows if label in {"", row.label}]
        n = sum(row.n for row in chosen)
        against = sum(row.n for row in chosen if row.of_action)
        bottom = sum(ordered.values()) if not label else ordered.get(label, 0)
        yield counted("I-20", "received", n, used, part)
        yield figure("I-20", "per_action", against / bottom if bottom else None, bottom, part)
        yield from _times("I-20", chosen, part, options.appeal)
        settled = [row for row in chosen if row.over]
        for key in ("reversed", "independent"):
            yield share("I-20", key, _counted(settled, key), part)


def _times(indicator: str, rows: Sequence[Row[Any]], part: Mapping[str, str], stated: float | None) -> Iterator[Figure]:
    """Yield the quantiles of the times, and the share within the stated time. Open ones are censored."""
    waits = _survival(rows)
    for key, quantile in QUANTILES.items():
        yield figure(indicator, key, waits.quantile(quantile), waits.n, part, _reason(waits))
    yield _in_time(indicator, "in_time", waits, part, stated)


def _in_time(indicator: str, key: str, waits: Survival, part: Mapping[str, str], stated: float | None) -> Figure:
    if stated is None:
        return figure(indicator, key, None, waits.n, part, "not_recorded")
    return figure(indicator, key, waits.over_after(stated), waits.n, part, _reason(waits))


def _survival(rows: Sequence[Row[Any]]) -> Survival:
    return Survival(Spell(row.seconds, row.n if row.over else 0, 0 if row.over else row.n) for row in rows)


def _reason(waits: Survival) -> Unmeasured:
    return "censored" if waits.n else "no_data"


def _counted(rows: Sequence[Row[Any]], key: str) -> Share:
    return Share(sum(row.n for row in rows if getattr(row, key)), sum(row.n for row in rows))


def _reports(connection: Connection, window: Window) -> Sequence[Row[Any]]:
    """Return the numbers of equal reports: label, time until the first decision, its outcome, event to the app."""
    columns = {
        "label": REPORTS.c.label,
        "substantiated": UPHELD,
        "feedback": _told(window.until),
        **_waits(REPORTS.c.created_at, SNAPSHOT.c.first_at, window.until),
    }
    source = REPORTS.join(SNAPSHOT, SNAPSHOT.c.id == REPORTS.c.case_id)
    return _grouped(connection, columns, source, *within(REPORTS.c.created_at, window))


def _taken_up(connection: Connection, window: Window) -> Sequence[Row[Any]]:
    """Return the numbers of equal reports: label, time until a person took up the case.

    A person who holds the case when another report joins it takes up that report with the decision.
    """
    lines = (AUDIT.c.subject == REPORTS.c.case_id, AUDIT.c.action.in_(TAKEN_UP))
    after = (AUDIT.c.at >= REPORTS.c.created_at, AUDIT.c.at < window.until)
    query = select(REPORTS.c.label, REPORTS.c.created_at, func.min(AUDIT.c.at).label("at"))
    query = query.join_from(REPORTS, SNAPSHOT, SNAPSHOT.c.id == REPORTS.c.case_id)
    query = query.outerjoin(AUDIT, and_(*lines, *after)).where(*within(REPORTS.c.created_at, window))
    each = query.group_by(REPORTS.c.id, REPORTS.c.label, REPORTS.c.created_at).subquery()
    columns = {"label": each.c.label, **_waits(each.c.created_at, each.c.at, window.until)}
    return _grouped(connection, columns, each)


def _told(until: float) -> ColumnElement[bool]:
    """Return the condition that the app had accepted the event about a decision of the case."""
    # Without the text "", SQLite looks for the case among all events of this kind.
    event = (OUTBOX.c.about == DECISIONS.c.id, OUTBOX.c.kind.concat("") == "case.decided")
    accepted = (OUTBOX.c.status == "sent", OUTBOX.c.send_at < until)  # a later delivery must not change the figure
    return exists().where(DECISIONS.c.case_id == SNAPSHOT.c.id, *in_force(until), *event, *accepted)


def _appeals(connection: Connection, window: Window) -> Sequence[Row[Any]]:
    """Return the numbers of equal appeals: label, time until it was settled, outcome, another person."""
    first, second = aliased(DECISIONS), aliased(DECISIONS)
    # As `in_force`, for an alias: the resolution stood at the end of the window.
    kept = and_(second.c.at < window.until, func.coalesce(second.c.undone, window.until) >= window.until)
    columns = {
        "label": CASES.c.label,
        "of_action": first.c.action.is_not(None),
        "reversed": second.c.verdict == "dismiss",
        "independent": second.c.moderator != first.c.moderator,
        **_waits(APPEALS.c.created_at, second.c.at, window.until),
    }
    source = APPEALS.join(CASES, CASES.c.id == APPEALS.c.case_id).join(first, first.c.id == APPEALS.c.decision)
    source = source.outerjoin(second, and_(second.c.id == APPEALS.c.resolution, kept))
    return _grouped(connection, columns, source, REAL, *within(APPEALS.c.created_at, window))


def _waits(begin: ColumnElement[float], end: ColumnElement[float], until: float) -> dict[str, ColumnElement[Any]]:
    """Return `over`, and the whole `seconds` from `begin` to `end`, or to the end of the window if it is not over."""
    over = end.is_not(None)
    return {"over": over, "seconds": case((over, ceiling(end - begin)), else_=floor(until - begin))}


def _grouped(
    connection: Connection, columns: Mapping[str, ColumnElement[Any]], source: FromClause, *where: ColumnElement[bool]
) -> Sequence[Row[Any]]:
    named = (column.label(name) for name, column in columns.items())
    # The subquery computes the columns, so that GROUP BY can name them.
    each = select(*named).select_from(source).where(*where).subquery()
    query: Select[Any] = select(*each.c, func.count().label("n")).group_by(*each.c).order_by(*each.c)
    return connection.execute(query).all()


def _actions(connection: Connection, window: Window) -> Sequence[Row[Any]]:
    query = select(UPHOLDS.c.label, func.count().label("n")).where(*actions(window))
    return connection.execute(query.group_by(UPHOLDS.c.label)).all()
