"""What people register: policy changes, stop drills, synthetic voices, requests of authorities: I-27 to I-30.

`pipeline/assessment/register.py` has the entries and their fields. A policy change is closed when all workers use it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, case, func, select

from pipeline.assessment.catalogue import figure
from pipeline.assessment.indicators.record_keeping import counted, in_use
from pipeline.assessment.options import DAY_SECONDS, Options
from pipeline.assessment.register import REPORT_WITHIN_SECONDS
from pipeline.review.quality.audits import within
from pipeline.review.quality.figure import Figure, Unmeasured, Window
from pipeline.review.quality.statistics import Spell, Survival
from pipeline.review.tables.assessment_tables import DRILL_LINES, DRILLS, REGISTER


def policy_lead_time(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-27, for the changes that were approved in the window."""
    del options
    changes, reason = registered_entries(connection, window, "policy_change")
    emergency = [row for row in changes if row.fields.get("emergency")]
    planned = [row for row in changes if not row.fields.get("emergency")]
    for part, rows in (({}, changes), ({"reason": "emergency"}, emergency), ({"reason": "planned"}, planned)):
        waits = register_waits(rows, window.until)
        for key, quantile in (("p50", 0.5), ("max", 1.0)):
            yield figure("I-27", key, waits.quantile(quantile), waits.n, part, "censored" if rows else reason)


def stop_drills(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-28, for the stop drills that began in the window. A room without a time did not stop."""
    del options
    rows = _stopped(connection, window)
    # A drill with a room that did not stop has no time. It counts among the failed ones, not as a fast one.
    slowest = max((row.last - row.started_at for row in rows if row.rooms == row.stopped), default=None)
    yield figure("I-28", "seconds", slowest, len(rows), unmeasured="censored" if rows else "no_data")
    failed = sum(row.rooms - row.stopped for row in rows)
    yield figure("I-28", "failed", failed if rows else None, sum(row.rooms for row in rows))
    yield counted("I-28", "drills", len(rows), in_use(connection, window))
    newest = max((row.started_at for row in rows), default=None)
    age = None if newest is None else (window.until - newest) / DAY_SECONDS
    yield figure("I-28", "last", age, len(rows))


def synthetic_voice(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-29, from the entries of the window."""
    del options
    entries, reason = registered_entries(connection, window, "synthetic_voice")
    for key, top, bottom in (("share", "labelled", "clips"), ("files", "marked", "files")):
        yield _quotient("I-29", key, entries, top, bottom, reason)


def authority_requests(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-30, for the requests that arrived and the duties to report that began in the window."""
    del options
    entries, reason = registered_entries(connection, window, "authority_request")
    reports, _ = registered_entries(connection, window, "police_report")
    yield figure("I-30", "received", None if reason == "needs_register" else len(entries), len(entries), None, reason)
    # Counted once the outcome is known: answered, or past its date.
    due = [
        row for row in entries if row.due_at is not None and (_closed(row, window.until) or row.due_at < window.until)
    ]
    yield _share("in_time", [_closed_by(row, row.due_at, window.until) for row in due], reason)
    waits = register_waits(entries, window.until)
    yield figure("I-30", "p50", waits.quantile(0.5), waits.n, None, "censored" if entries else reason)
    yield _quotient("I-30", "signed", entries, "signed", "exports", reason)
    yield _share(
        "police", [_closed_by(row, row.opened_at + REPORT_WITHIN_SECONDS, window.until) for row in reports], reason
    )


def registered_entries(connection: Connection, window: Window, kind: str) -> tuple[Sequence[Row[Any]], Unmeasured]:
    """Return the entries of a kind that were opened in the window, and the reason if there is none."""
    query = select(REGISTER).where(REGISTER.c.kind == kind, *within(REGISTER.c.opened_at, window))
    # Any kind of entry shows that people keep the register. Then "none" is an answer.
    used = connection.scalar(select(REGISTER.c.id).where(REGISTER.c.opened_at < window.until).limit(1))
    rows = connection.execute(query.order_by(REGISTER.c.opened_at, REGISTER.c.id)).all()
    return rows, "needs_register" if used is None else "no_data"


def register_waits(entries: Sequence[Row[Any]], until: float) -> Survival:
    """Return the distribution of the times from opening to closing, in whole seconds."""
    return Survival(_spell(row, until) for row in entries)


def _spell(row: Row[Any], until: float) -> Spell:
    # An ended wait is rounded up and an open one down, so that no wait looks shorter, or observed longer, than it was.
    if _closed(row, until):
        return Spell(math.ceil(row.closed_at - row.opened_at), ended=1, open=0)
    return Spell(math.floor(until - row.opened_at), ended=0, open=1)


def _closed(row: Row[Any], until: float) -> bool:
    return row.closed_at is not None and row.closed_at < until


def _closed_by(row: Row[Any], due: float, until: float) -> bool:
    return _closed(row, until) and row.closed_at <= due


def _share(key: str, kept: Sequence[bool], reason: Unmeasured) -> Figure:
    return figure("I-30", key, sum(kept) / len(kept) if kept else None, len(kept), None, reason)


def _quotient(
    indicator: str, key: str, entries: Sequence[Row[Any]], top: str, bottom: str, reason: Unmeasured
) -> Figure:
    n = sum(_number(row.fields, bottom) for row in entries)
    return figure(indicator, key, sum(_number(row.fields, top) for row in entries) / n if n else None, n, None, reason)


def _number(fields: Mapping[str, Any], name: str) -> int:
    return int(fields.get(name, 0))


def _stopped(connection: Connection, window: Window) -> Sequence[Row[Any]]:
    """Return, for each stop drill, the rooms, those that stopped before the window's end, and when the last one did."""
    at = case((DRILL_LINES.c.stored_at < window.until, DRILL_LINES.c.stored_at))  # else NULL, which no count counts
    query = select(DRILLS.c.started_at, func.count().label("rooms"), func.count(at).label("stopped"))
    query = query.add_columns(func.max(at).label("last"))
    query = query.join(DRILL_LINES, DRILL_LINES.c.drill == DRILLS.c.id).where(DRILLS.c.kind == "stop")
    query = query.where(*within(DRILLS.c.started_at, window)).group_by(DRILLS.c.id, DRILLS.c.started_at)
    return connection.execute(query.order_by(DRILLS.c.id)).all()
