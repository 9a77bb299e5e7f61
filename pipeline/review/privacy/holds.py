"""Legal holds: until a hold is released, retention and erasures must not delete its cases.

The storage of the clips may also lock them. The database always knows a hold first and forgets it last. So after a
crash at most a lock is missing, and the retention job sets it again (`relock`). A lock without a hold would make that
job fail.

A function that takes a connection runs in a transaction that the caller opened.
"""

import uuid
from typing import Any, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Column, ColumnElement, CompoundSelect, Connection, insert, or_, select, union, update

from pipeline.base.errors import CaseError, DependencyError, Missing, VoxwardenError
from pipeline.review import audit_log
from pipeline.review.audit_log import pseudonym
from pipeline.review.cases import reading
from pipeline.review.database import Database, fields_of
from pipeline.review.evidence.evidence_store import EvidenceStore
from pipeline.review.quality import quality_checks
from pipeline.review.tables.case_tables import CHECKS, HOLDS, VOICES
from pipeline.review.tables.core import CASES, EVIDENCE

Kind = Literal["case", "speaker", "room"]
KINDS: tuple[Kind, ...] = ("case", "speaker", "room")


class Hold(Struct, frozen=True, kw_only=True):
    """A legal hold. Times are UTC seconds."""

    id: str
    kind: Kind
    subject: str
    """Id of the case, speaker or room."""
    reason: str
    """Who asked for the hold, and their reference."""
    placed_by: str
    placed_at: float
    released_by: str | None = None
    released_at: float | None = None


def place_hold(connection: Connection, kind: Kind, subject: str, reason: str, actor: str, at: float) -> Hold:
    """Place a legal hold. A hold on a copy for a check holds the original, and so all copies.

    A case may be named by its first digits, as the console shows them. Raises CaseError if the subject or the reason is
    empty, and Missing if there is no such case.
    """
    if not subject.strip() or not reason.strip():
        raise CaseError(
            "A hold needs a subject and a reason",
            "Name the case, speaker or room, and a reference.",
            text="hold_fields",
        )
    if kind == "case":
        typed = subject.strip().removeprefix("#").lower()
        known = reading.case(connection, reading.full_id(connection, typed))
        subject = quality_checks.family(connection, known.id)[0]
    hold = Hold(id=str(uuid.uuid4()), kind=kind, subject=subject, reason=reason, placed_by=actor, placed_at=at)
    connection.execute(insert(HOLDS).values(msgspec.to_builtins(hold)))
    audit_log.append(connection, at, actor, "hold.place", hold.id, _audit_detail(hold))
    return hold


def release_hold(connection: Connection, identity: str, actor: str, at: float) -> None:
    """Release a hold. Raises Missing if there is no active hold with this id."""
    query = select(HOLDS).where(HOLDS.c.id == identity, HOLDS.c.released_at.is_(None)).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise Missing(f"There is no active hold {identity}", "It may be released already.")
    connection.execute(update(HOLDS).where(HOLDS.c.id == identity).values(released_by=actor, released_at=at))
    audit_log.append(connection, at, actor, "hold.release", identity, _audit_detail(_hold(row)))


def active(connection: Connection) -> list[Hold]:
    """Return the holds that are not released, oldest first."""
    query = select(HOLDS).where(HOLDS.c.released_at.is_(None)).order_by(HOLDS.c.placed_at, HOLDS.c.id)
    return [_hold(row) for row in connection.execute(query)]


def held() -> ColumnElement[bool]:
    """Return the condition on a row of CASES that a hold blocks its deletion.

    The hold names the case, the case that it copies, its speaker, its room, or a speaker in the clip of a whole room.
    """
    return _named_by(HOLDS.c.released_at.is_(None))


def is_held(connection: Connection, case: str) -> bool:
    """Tell whether a hold blocks the deletion of a case. False if there is no such case."""
    return connection.scalar(select(CASES.c.id).where(CASES.c.id == case, held())) is not None


def covers(hold: str) -> ColumnElement[bool]:
    """Return the condition on a row of CASES that this hold (its id) names the case, also after its release."""
    return _named_by(HOLDS.c.id == hold)


def cases() -> CompoundSelect[tuple[str]]:
    """Return the query for the ids of the cases whose deletion a hold blocks, for searches among all cases."""
    # Each part of a union reads an index. The OR of `held` would read all cases.
    return union(*(select(CASES.c.id).where(condition) for condition in _names(HOLDS.c.released_at.is_(None))))


def _named_by(hold: ColumnElement[bool]) -> ColumnElement[bool]:
    return or_(*_names(hold))


def _names(hold: ColumnElement[bool]) -> list[ColumnElement[bool]]:
    """Return the conditions on a row of CASES; with one of them a hold names it. `hold` is the condition on that hold.

    Holds are few and cases are many. So no query here depends on the case, and each runs once.
    """
    subjects = {kind: select(HOLDS.c.subject).where(hold, HOLDS.c.kind == kind) for kind in KINDS}
    # The aliases are needed because the outer query may contain VOICES or CHECKS, too.
    voices, copies = VOICES.alias("voices_held"), CHECKS.alias("copies_held")
    heard = select(voices.c.case_id).where(voices.c.speaker.in_(subjects["speaker"]))
    copied = select(copies.c.case_id).where(copies.c.original.in_(subjects["case"]))
    columns: dict[Kind, Column[str]] = {"case": CASES.c.id, "speaker": CASES.c.speaker, "room": CASES.c.room}
    named = [column.in_(subjects[kind]) for kind, column in columns.items()]
    return [*named, CASES.c.id.in_(heard), CASES.c.id.in_(copied)]


def follow(connection: Connection, case: str, into: str) -> None:
    """Move the holds on `case` to the case `into`, into which it is merged."""
    on = update(HOLDS).where(HOLDS.c.kind == "case", HOLDS.c.subject == case)
    connection.execute(on.values(subject=into))


def _audit_detail(hold: Hold) -> dict[str, Any]:
    """Return the detail for the audit log. It names no speaker, because an erasure cannot change the log."""
    subject = pseudonym(hold.subject) if hold.kind == "speaker" else hold.subject
    return {"kind": hold.kind, "subject": subject, "reason": hold.reason}


def _hold(row: Any) -> Hold:
    return msgspec.convert(fields_of(row), Hold)


def place_and_lock(
    database: Database, evidence: EvidenceStore, kind: Kind, subject: str, reason: str, actor: str, at: float
) -> Hold:
    """Place a legal hold and lock its clips.

    Raises CaseError as `place_hold`, and DependencyError if the hold is placed but the storage could not lock.
    """
    with database.write() as connection:
        hold = place_hold(connection, kind, subject, reason, actor, at)
    with database.read() as connection:
        found = _paths(connection, covers(hold.id))
    try:
        _set(evidence, found, True)
    except VoxwardenError as error:
        what = f"The hold {hold.id} is placed, but the storage did not lock all clips. {error.what}"
        raise DependencyError(what, "Nothing deletes them here, and the retention job tries again.") from error
    return hold


def release_and_unlock(database: Database, evidence: EvidenceStore, identity: str, actor: str, at: float) -> None:
    """Unlock the clips that no other hold covers, and release the hold. Raises Missing as `release_hold`."""
    with database.write() as connection:
        # One transaction: if the storage fails, the hold stays, and the release can be repeated.
        release_hold(connection, identity, actor, at)
        _set(evidence, _paths(connection, covers(identity) & ~held()), False)


def relock(database: Database, evidence: EvidenceStore) -> None:
    """Lock the clips of all cases on hold. Clips that are locked already stay so."""
    with database.read() as connection:
        found = _paths(connection, held())
    _set(evidence, found, True)


def _paths(connection: Connection, cases: ColumnElement[bool]) -> list[str]:
    query = select(EVIDENCE.c.path).join(CASES, CASES.c.id == EVIDENCE.c.case_id).where(cases)
    return list(connection.scalars(query.order_by(EVIDENCE.c.path)))


def _set(evidence: EvidenceStore, paths: list[str], held: bool) -> None:
    for path in paths:
        evidence.hold(path, held)
