"""The records that the store holds for each item of article 5, as a number and a SHA-256 over their ids.

Each hash covers the ids of the records of the window, and their own hashes if they have some, in the order of times and
keys. Somebody who has the same records gets the same hash. Records of drills are left out.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, Select, func, select

from pipeline.assessment.report.content import ReportedEvidence
from pipeline.review.delivery.speech_tallies import HOUR
from pipeline.review.quality.audits import within
from pipeline.review.quality.figure import Window
from pipeline.review.quality.quality_checks import FINAL
from pipeline.review.tables.assessment_tables import ACTIONS, DRILLS, HAZARDS, REGISTER, ROOM_HOURS
from pipeline.review.tables.case_tables import APPEALS, CHECKS, HOLDS, REPORTS
from pipeline.review.tables.core import AUDIT, CASES, DECISIONS, EVIDENCE, FLAGS

PAGE = 10_000
"""Rows that are read at a time."""
LINES = msgspec.json.Encoder()
OF_DRILLS = select(CASES.c.id).where(CASES.c.drill != "")
"""There are few, so that to leave them out is faster than to look for the case of each record."""


class EvidenceSource(NamedTuple):
    """Records that prove something for `items` of article 5."""

    kind: str
    items: tuple[str, ...]
    query: Callable[[Window], Select[tuple[object, ...]]]
    chained: bool = False
    """Whether each record has a hash that covers those before it, so that the newest record stands for all."""


def of_item(found: list[tuple[EvidenceSource, ReportedEvidence]], item: str) -> tuple[ReportedEvidence, ...]:
    """Return the evidence of one item."""
    return tuple(evidence for source, evidence in found if item in source.items)


def collect(connection: Connection, window: Window) -> list[tuple[EvidenceSource, ReportedEvidence]]:
    """Read all records of the window, and return the evidence of each source."""
    return [(source, _evidence(connection, source, window)) for source in SOURCES]


def _evidence(connection: Connection, source: EvidenceSource, window: Window) -> ReportedEvidence:
    if source.chained:
        return _chained(connection, source, window)
    n, hashed = 0, sha256()
    options = {"yield_per": PAGE, "purpose": f"evidence.{source.kind}"}
    for rows in connection.execute(source.query(window), execution_options=options).partitions():
        hashed.update(LINES.encode_lines([tuple(row) for row in rows]))  # JSON: no value can look like the end of a row
        n += len(rows)
    return ReportedEvidence(kind=source.kind, n=n, sha256=hashed.hexdigest())


def _chained(connection: Connection, source: EvidenceSource, window: Window) -> ReportedEvidence:
    query, options = source.query(window), {"purpose": f"evidence.{source.kind}"}
    # The newest line is enough: each line of the audit log has the hash of the line before it.
    last = query.order_by(AUDIT.c.seq.desc()).limit(1)
    newest = connection.execute(last, execution_options=options).one_or_none()
    n = connection.scalar(select(func.count()).select_from(query.subquery()), execution_options=options) or 0
    return ReportedEvidence(kind=source.kind, n=n, sha256=newest.hash if newest else sha256().hexdigest())


def _cases(window: Window) -> Select[tuple[object, ...]]:
    kept = (*within(CASES.c.created_at, window), CASES.c.drill == "")
    return select(CASES.c.id, CASES.c.verdict).where(*kept).order_by(CASES.c.created_at, CASES.c.id)


def _flags(window: Window) -> Select[tuple[object, ...]]:
    kept = (*within(FLAGS.c.stored_at, window), FLAGS.c.drill == "")
    return select(FLAGS.c.id, FLAGS.c.policy, FLAGS.c.model).where(*kept).order_by(FLAGS.c.stored_at, FLAGS.c.id)


def _decisions(window: Window) -> Select[tuple[object, ...]]:
    kept = (*within(DECISIONS.c.at, window), DECISIONS.c.case_id.not_in(OF_DRILLS))
    columns = (DECISIONS.c.id, DECISIONS.c.verdict, DECISIONS.c.undone)
    return select(*columns).where(*kept).order_by(DECISIONS.c.at, DECISIONS.c.id)


def _audits(window: Window) -> Select[tuple[object, ...]]:
    joined = CHECKS.join(DECISIONS, DECISIONS.c.case_id == CHECKS.c.case_id)
    kept = (*within(DECISIONS.c.at, window), DECISIONS.c.undone.is_(None), DECISIONS.c.verdict.in_(FINAL))
    columns = (CHECKS.c.case_id, CHECKS.c.kind, CHECKS.c.probability, DECISIONS.c.id, DECISIONS.c.verdict)
    return select(*columns).select_from(joined).where(*kept).order_by(CHECKS.c.case_id, DECISIONS.c.id)


def _clips(window: Window) -> Select[tuple[object, ...]]:
    kept = (*within(EVIDENCE.c.start, window), EVIDENCE.c.case_id.not_in(OF_DRILLS))
    return select(EVIDENCE.c.case_id, EVIDENCE.c.sha256).where(*kept).order_by(EVIDENCE.c.start, EVIDENCE.c.path)


def _log(window: Window) -> Select[tuple[object, ...]]:
    return select(AUDIT.c.seq, AUDIT.c.hash).where(*within(AUDIT.c.at, window))


def _actions(window: Window) -> Select[tuple[object, ...]]:
    columns = (ACTIONS.c.decision, ACTIONS.c.action, ACTIONS.c.result, ACTIONS.c.at)
    return select(*columns).where(*within(ACTIONS.c.at, window)).order_by(ACTIONS.c.at, ACTIONS.c.decision)


def _ledger(window: Window) -> Select[tuple[object, ...]]:
    columns = (ROOM_HOURS.c.hour, ROOM_HOURS.c.room_type, ROOM_HOURS.c.rooms, ROOM_HOURS.c.seconds)
    kept = (ROOM_HOURS.c.hour >= window.since / HOUR, ROOM_HOURS.c.hour < window.until / HOUR)  # hours that begin in it
    return select(*columns).where(*kept).order_by(ROOM_HOURS.c.hour, ROOM_HOURS.c.room_type)


def _reports(window: Window) -> Select[tuple[object, ...]]:
    columns = (REPORTS.c.id, REPORTS.c.created_at)
    return select(*columns).where(*within(REPORTS.c.created_at, window)).order_by(REPORTS.c.id)


def _appeals(window: Window) -> Select[tuple[object, ...]]:
    columns = (APPEALS.c.id, APPEALS.c.created_at, APPEALS.c.resolution)
    return select(*columns).where(*within(APPEALS.c.created_at, window)).order_by(APPEALS.c.id)


def _holds(window: Window) -> Select[tuple[object, ...]]:
    columns = (HOLDS.c.id, HOLDS.c.kind, HOLDS.c.placed_at, HOLDS.c.released_at)
    # All holds that were in force at some time of the window, also if they are older.
    kept = (HOLDS.c.placed_at < window.until, (HOLDS.c.released_at.is_(None)) | (HOLDS.c.released_at >= window.since))
    return select(*columns).where(*kept).order_by(HOLDS.c.id)


def _register(window: Window) -> Select[tuple[object, ...]]:
    columns = (REGISTER.c.id, REGISTER.c.kind, REGISTER.c.opened_at, REGISTER.c.closed_at)
    return select(*columns).where(*within(REGISTER.c.opened_at, window)).order_by(REGISTER.c.id)


def _drills(window: Window) -> Select[tuple[object, ...]]:
    columns = (DRILLS.c.id, DRILLS.c.kind, DRILLS.c.started_at, DRILLS.c.ended_at)
    return select(*columns).where(*within(DRILLS.c.started_at, window)).order_by(DRILLS.c.id)


def _hazards(window: Window) -> Select[tuple[object, ...]]:
    return select(HAZARDS.c.id, HAZARDS.c.state).where(HAZARDS.c.found_at < window.until).order_by(HAZARDS.c.id)


SOURCES = (
    EvidenceSource("decisions", ("5(1)", "5(4)"), _decisions),
    EvidenceSource("audits", ("5(1)", "5(4)"), _audits),
    EvidenceSource("flags", ("5(3)", "5(4)"), _flags),
    EvidenceSource("clips", ("5(3)", "5(8)"), _clips),
    EvidenceSource("audit_log", ("5(1)", "5(3)", "5(5)"), _log, chained=True),
    EvidenceSource("cases", ("5(4)",), _cases),
    EvidenceSource("actions", ("5(4)",), _actions),
    EvidenceSource("ledger", ("5(4)",), _ledger),
    EvidenceSource("drills", ("5(5)",), _drills),
    EvidenceSource("hazards", ("5(5)",), _hazards),
    EvidenceSource("reports", ("5(6)",), _reports),
    EvidenceSource("appeals", ("5(6)",), _appeals),
    EvidenceSource("register", ("5(7)", "5(8)"), _register),
    EvidenceSource("holds", ("5(5)", "5(8)"), _holds),
)
