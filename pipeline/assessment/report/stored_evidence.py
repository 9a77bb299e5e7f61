"""The records that the store holds for each item of article 5, as a number and a SHA-256 over their digests.

Each record has a digest of the columns that figures read, as it stood at the end of the window. The hash covers the
digests in the order of the records' keys. Somebody who has the same records gets the same hash. Records of drills are
left out.

A final report keeps the digests (`frozen_records.py`), so that each later change of a record shows.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b, sha256
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import JSON, Column, ColumnElement, Connection, Select, Text, case, cast, func, select

from pipeline.assessment.report.content import ReportedEvidence
from pipeline.review.database import plain_rows
from pipeline.review.delivery.speech_tallies import HOUR
from pipeline.review.quality.audits import within
from pipeline.review.quality.figure import Window, quarters
from pipeline.review.tables.assessment_tables import ACTIONS, DRILLS, HAZARDS, REGISTER, ROOM_HOURS
from pipeline.review.tables.case_tables import APPEALS, CHECKS, HOLDS, REPORTS
from pipeline.review.tables.core import AUDIT, CASES, DECISIONS, EVIDENCE, FLAGS
from pipeline.review.tables.people_tables import DUTY

OF_DRILLS = select(CASES.c.id).where(CASES.c.drill != "")
"""There are few, so that to leave them out is faster than to look for the case of each record."""
RECORD = np.dtype([("key", "<u8"), ("case", "<u8"), ("digest", "<u8")])
"""Hashes of a record's key, of its case (0: it has none) and of the columns that figures read."""
OF_ACTION = DECISIONS.c.id == ACTIONS.c.decision.concat("")
"""The decision of an action. Without the text "", SQLite looks for the action of each decision."""
ENCODE = msgspec.msgpack.Encoder().encode
EMPTY = blake2b(digest_size=8)

Records = NDArray[np.void]
"""Records in the order of their keys, shape (records,), of the type RECORD."""


class EvidenceSource(NamedTuple):
    """Records that prove something for `items` of article 5. The first `keys` columns of the query are their key."""

    kind: str
    items: tuple[str, ...]
    query: Callable[[Window], Select[Any]]
    keys: int = 1
    of_case: int | None = None
    """The column with the case that a record belongs to: one of the key, or the next one. None: to none.

    A record of duty belongs to its quarter hour: retention deletes the records of one together.
    """
    chained: bool = False
    """Whether each record has a hash that covers those before it, so that the newest record stands for all."""


class Collected(NamedTuple):
    """The evidence of one source, and its records as bytes; nothing of a chained source."""

    source: EvidenceSource
    evidence: ReportedEvidence
    records: bytes


def of_item(found: Iterable[Collected], item: str) -> tuple[ReportedEvidence, ...]:
    """Return the evidence of one item."""
    return tuple(each.evidence for each in found if item in each.source.items)


def collect(connection: Connection, window: Window) -> list[Collected]:
    """Read all records of the window, and return the evidence of each source."""
    return [
        _chained(connection, source, window) if source.chained else _collected(connection, source, window)
        for source in SOURCES
    ]


def records(connection: Connection, source: EvidenceSource, window: Window) -> Records:
    """Return the records of a source that is not chained."""
    pages = plain_rows(connection, source.query(window), purpose=f"evidence.{source.kind}")
    found = np.concatenate([np.zeros(0, RECORD), *(_records(source, rows) for rows in pages)])
    # Not np.sort: it takes seconds to compare a million records field by field.
    return found[np.lexsort((found["digest"], found["key"]))]


def hashed(*values: object) -> int:
    """Return the hash of a key or of a case, as in a record."""
    return int(_hashes([values])[0])


def _records(source: EvidenceSource, rows: Sequence[Sequence[Any]]) -> Records:
    found, keys, case = np.zeros(len(rows), RECORD), source.keys, source.of_case
    found["key"] = _hashes(_columns(rows, 0, keys))
    if case is not None:
        found["case"] = found["key"] if (case, keys) == (0, 1) else _hashes(_columns(rows, case, case + 1))
    # The digest is without the case: speech that came later may have joined it to another one.
    found["digest"] = _hashes(_columns(rows, keys if case is None else max(keys, case + 1), None))
    return found


def _columns(rows: Sequence[Sequence[Any]], begin: int, end: int | None) -> Iterator[Sequence[Any]]:
    return map(itemgetter(slice(begin, end)), rows)


def _hashes(every: Iterable[Sequence[object]]) -> NDArray[np.uint64]:
    """Return the hash of each sequence of values."""
    found = bytearray()
    for packed in map(ENCODE, every):  # MessagePack: no value can look like the end of the one before
        made = EMPTY.copy()  # a new one takes twice as long
        made.update(packed)
        found += made.digest()
    return np.frombuffer(found, RECORD["key"])


def _collected(connection: Connection, source: EvidenceSource, window: Window) -> Collected:
    found = records(connection, source, window)
    evidence = ReportedEvidence(kind=source.kind, n=len(found), sha256=sha256(found.tobytes()).hexdigest())
    return Collected(source, evidence, found.tobytes())


def _chained(connection: Connection, source: EvidenceSource, window: Window) -> Collected:
    query, options = source.query(window), {"purpose": f"evidence.{source.kind}"}
    # The newest line is enough: each line of the audit log has the hash of the line before it.
    last = query.order_by(AUDIT.c.seq.desc()).limit(1)
    newest = connection.execute(last, execution_options=options).one_or_none()
    n = connection.scalar(select(func.count()).select_from(query.subquery()), execution_options=options) or 0
    digest = newest.hash if newest else sha256().hexdigest()
    return Collected(source, ReportedEvidence(kind=source.kind, n=n, sha256=digest), b"")


def _cases(window: Window) -> Select[Any]:
    names = ("id", "created_at", *SUMMARY)
    return select(*(CASES.c[name] for name in names)).where(*within(CASES.c.created_at, window), CASES.c.drill == "")


SUMMARY = (
    "room",
    "speaker",
    "room_type",
    "start",
    "end",
    "label",
    "language",
    "policy",
    "source",
    "suggestion",
    "severity",
)
"""Columns of a case that follow from its flags and reports. More of them change the case until it is decided."""
HEARD = (
    "id",
    "case_id",
    "room",
    "speaker",
    "room_type",
    "start",
    "end",
    "utterance",
    "transcript",
    "text",
    "language",
    "confidence",
    "suggestion",
    "risk",
    "hits",
    "flagged",
    "policy",
    "model",
    "linked",
    "listeners",
    "identity_verified",
    "stored_at",
    "source",
)
"""Columns of a flag that figures read, or that I-23 asks for.

Other columns here, or in the queries below, give other digests: final reports of older versions would look changed.
"""


def _stored(column: Column[Any]) -> ColumnElement[Any]:
    """Return a column as it is stored: JSON as its text."""
    return cast(column, Text).label(column.name) if isinstance(column.type, JSON) else column


def _flags(window: Window) -> Select[Any]:
    columns = [_stored(FLAGS.c[name]) for name in HEARD]
    return select(*columns).where(*within(FLAGS.c.stored_at, window), FLAGS.c.drill == "")


def _decisions(window: Window) -> Select[Any]:
    names = ("id", "case_id", "moderator", "verdict", "label", "reason", "action", "at")
    undone = case((DECISIONS.c.undone < window.until, DECISIONS.c.undone))  # a later undo changes no figure
    query = select(*(DECISIONS.c[name] for name in names), undone.label("undone"))
    return query.where(*within(DECISIONS.c.at, window), DECISIONS.c.case_id.not_in(OF_DRILLS))


def _audits(window: Window) -> Select[Any]:
    columns = (CHECKS.c.case_id, CHECKS.c.kind, CHECKS.c.original, CHECKS.c.probability, CHECKS.c.drawn_at)
    return select(*columns).where(*within(CHECKS.c.drawn_at, window))


def _clips(window: Window) -> Select[Any]:
    kept = (*within(EVIDENCE.c.start, window), EVIDENCE.c.case_id.not_in(OF_DRILLS))
    return select(EVIDENCE.c.case_id, EVIDENCE.c.start, EVIDENCE.c.end, EVIDENCE.c.sha256).where(*kept)


def _log(window: Window) -> Select[Any]:
    return select(AUDIT.c.seq, AUDIT.c.hash).where(*within(AUDIT.c.at, window))


def _duty(window: Window) -> Select[Any]:
    inside = quarters(window)
    query = select(DUTY.c.account, DUTY.c.quarter, DUTY.c.role)
    return query.where(DUTY.c.quarter >= inside.start, DUTY.c.quarter < inside.stop)


def _actions(window: Window) -> Select[Any]:
    columns = (ACTIONS.c.decision, DECISIONS.c.case_id, ACTIONS.c.action, ACTIONS.c.result, ACTIONS.c.at)
    query = select(*columns, ACTIONS.c.received_at).join(DECISIONS, OF_ACTION)
    # By the time of arrival, as figures count them: a later confirmation of an earlier action is none of the window.
    return query.where(*within(ACTIONS.c.received_at, window))


def _ledger(window: Window) -> Select[Any]:
    columns = (ROOM_HOURS.c.hour, ROOM_HOURS.c.room_type, ROOM_HOURS.c.rooms, ROOM_HOURS.c.seconds)
    kept = (ROOM_HOURS.c.hour >= window.since / HOUR, ROOM_HOURS.c.hour < window.until / HOUR)  # hours that begin in it
    return select(*columns).where(*kept)


def _reports(window: Window) -> Select[Any]:
    names = ("id", "case_id", "room", "speaker", "label", "at", "created_at")  # an erasure empties the reporter
    return select(*(REPORTS.c[name] for name in names)).where(*within(REPORTS.c.created_at, window))


def _appeals(window: Window) -> Select[Any]:
    names = ("id", "case_id", "decision", "appellant", "created_at")
    settled = select(DECISIONS.c.id).where(DECISIONS.c.id == APPEALS.c.resolution, DECISIONS.c.at < window.until)
    query = select(*(APPEALS.c[name] for name in names), settled.scalar_subquery().label("resolution"))
    return query.where(*within(APPEALS.c.created_at, window))


def _holds(window: Window) -> Select[Any]:
    columns = (HOLDS.c.id, HOLDS.c.kind, HOLDS.c.placed_at, HOLDS.c.released_at)
    # All holds that were in force at some time of the window, also if they are older.
    kept = (HOLDS.c.placed_at < window.until, (HOLDS.c.released_at.is_(None)) | (HOLDS.c.released_at >= window.since))
    return select(*columns).where(*kept)


def _register(window: Window) -> Select[Any]:
    columns = [_stored(REGISTER.c[name]) for name in ("id", "kind", "opened_at", "due_at", "closed_at", "fields")]
    return select(*columns).where(*within(REGISTER.c.opened_at, window))


def _drills(window: Window) -> Select[Any]:
    columns = (DRILLS.c.id, DRILLS.c.kind, DRILLS.c.started_at, DRILLS.c.ended_at)
    return select(*columns).where(*within(DRILLS.c.started_at, window))


def _hazards(window: Window) -> Select[Any]:
    return select(HAZARDS.c.id, HAZARDS.c.state).where(HAZARDS.c.found_at < window.until)


SOURCES = (
    EvidenceSource("decisions", ("5(1)", "5(4)"), _decisions, of_case=1),
    EvidenceSource("audits", ("5(1)", "5(4)"), _audits, of_case=0),
    EvidenceSource("flags", ("5(3)", "5(4)"), _flags, of_case=1),
    EvidenceSource("clips", ("5(3)", "5(8)"), _clips, keys=2, of_case=0),
    EvidenceSource("audit_log", ("5(1)", "5(3)", "5(5)"), _log, chained=True),
    EvidenceSource("duty", ("5(1)",), _duty, keys=2, of_case=1),
    EvidenceSource("cases", ("5(4)",), _cases, of_case=0),
    EvidenceSource("actions", ("5(4)",), _actions, of_case=1),
    EvidenceSource("ledger", ("5(4)",), _ledger, keys=2),
    EvidenceSource("drills", ("5(5)",), _drills),
    EvidenceSource("hazards", ("5(5)",), _hazards),
    EvidenceSource("reports", ("5(6)",), _reports, of_case=1),
    EvidenceSource("appeals", ("5(6)",), _appeals, of_case=1),
    EvidenceSource("register", ("5(7)", "5(8)"), _register),
    EvidenceSource("holds", ("5(5)", "5(8)"), _holds),
)
