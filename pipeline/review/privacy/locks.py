"""Legal holds on the storage of the clips, beside those in the database.

The database always knows a hold first and forgets it last. So after a crash at most a lock is missing, and the
retention job sets it again (`relock`). A lock without a hold would make that job fail.
"""

from sqlalchemy import ColumnElement, Connection, select

from pipeline.base.errors import DependencyError, VoxwardenError
from pipeline.review.database import Database
from pipeline.review.evidence.store import EvidenceStore
from pipeline.review.privacy import holds
from pipeline.review.privacy.holds import Hold, Kind
from pipeline.review.tables.core import CASES, EVIDENCE


def place_and_lock(
    database: Database, evidence: EvidenceStore, kind: Kind, subject: str, reason: str, actor: str, at: float
) -> Hold:
    """Place a legal hold and lock its clips.

    Raises CaseError as `holds.place_hold`, and DependencyError if the hold is placed but the storage could not lock.
    """
    with database.write() as connection:
        hold = holds.place_hold(connection, kind, subject, reason, actor, at)
    with database.read() as connection:
        found = _paths(connection, holds.covers(hold.id))
    try:
        _set(evidence, found, True)
    except VoxwardenError as error:
        what = f"The hold {hold.id} is placed, but the storage did not lock all clips. {error.what}"
        raise DependencyError(what, "Nothing deletes them here, and the retention job tries again.") from error
    return hold


def release_and_unlock(database: Database, evidence: EvidenceStore, identity: str, actor: str, at: float) -> None:
    """Unlock the clips that no other hold covers, and release the hold. Raises Missing as `holds.release_hold`."""
    with database.write() as connection:
        holds.release_hold(connection, identity, actor, at)
        _set(evidence, _paths(connection, holds.covers(identity) & ~holds.held()), False)


def relock(database: Database, evidence: EvidenceStore) -> None:
    """Lock the clips of all cases on hold. Clips that are locked already stay so."""
    with database.read() as connection:
        found = _paths(connection, holds.held())
    _set(evidence, found, True)


def _paths(connection: Connection, cases: ColumnElement[bool]) -> list[str]:
    query = select(EVIDENCE.c.path).join(CASES, CASES.c.id == EVIDENCE.c.case_id).where(cases)
    return list(connection.scalars(query.order_by(EVIDENCE.c.path)))


def _set(evidence: EvidenceStore, paths: list[str], held: bool) -> None:
    for path in paths:
        evidence.hold(path, held)
