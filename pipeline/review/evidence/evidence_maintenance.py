"""What `voxwarden evidence` does: it reads all clips, checks them or encrypts them, and tries the storage."""

import secrets
from collections.abc import Callable, Iterator
from typing import Literal

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, func, select, tuple_, update

from pipeline.base.errors import DependencyError, InputError, VoxwardenError
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceStore, SealedEvidence, checksum
from pipeline.review.evidence.sealing import ClipDamaged
from pipeline.review.privacy import holds
from pipeline.review.tables.core import EVIDENCE
from pipeline.settings import Settings

PAGE = 200

Fault = Literal["changed", "missing"]


class StoredClip(Struct, frozen=True):
    """What the database knows of a clip: its path, its case and the SHA-256 of its sound."""

    path: str
    case: str
    sha256: str


def count_clips(database: Database) -> int:
    """Return the number of clips of all cases."""
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(EVIDENCE)) or 0


def all_clips(database: Database) -> Iterator[StoredClip]:
    """Yield the clips of all cases. No transaction is open meanwhile.

    Their order does not depend on their paths, so a clip comes once although `renew` changes its path.
    """
    order = (EVIDENCE.c.case_id, EVIDENCE.c.start, EVIDENCE.c.sha256)
    query = select(EVIDENCE).order_by(*order).limit(PAGE)
    last: tuple[str, float, str] = ("", 0.0, "")
    while True:
        with database.read() as connection:
            page = connection.execute(query.where(tuple_(*order) > last)).all()
        yield from (StoredClip(row.path, row.case_id, row.sha256) for row in page)
        if not page:
            return
        last = (page[-1].case_id, page[-1].start, page[-1].sha256)


def read_clip(evidence: EvidenceStore, clip: StoredClip) -> bytes | Fault:
    """Return a clip, or why it is not the one whose SHA-256 the database has."""
    try:
        data = evidence.get(clip.path)
    except ClipDamaged:
        return "changed"
    if data is None:
        return "missing"
    return data if checksum(data) == clip.sha256 else "changed"


def is_named(database: Database, clip: StoredClip) -> bool:
    """Tell whether a case still has this clip: retention or deliver may have deleted or replaced it meanwhile."""
    with database.read() as connection:
        return connection.scalar(select(EVIDENCE.c.path).where(*_same(clip))) is not None


def renewal(evidence: SealedEvidence, clip: StoredClip) -> Fault | Literal["to renew", "current"]:
    """Tell whether a clip must be encrypted with the current key."""
    try:
        key = evidence.key_of(clip.path)
    except ClipDamaged:
        return "changed"
    if key is None:
        return "missing"
    return "current" if key == evidence.ring.current else "to renew"


def renew(database: Database, evidence: SealedEvidence, clip: StoredClip) -> Fault | Literal["renewed", "current"]:
    """Encrypt a clip with the current key, unless it is so already. Its SHA-256 stays: it covers the sound.

    The renewed clip gets a new path, and the database names either the old one or the new one. So no clip is
    lost, even after a crash, or if `deliver` makes the clip longer at the same time.
    """
    if (needed := renewal(evidence, clip)) != "to renew":
        return needed
    found = read_clip(evidence, clip)
    if not isinstance(found, bytes):
        return found
    path = _renewed(clip.path)
    # Write, move the row, delete: a crash leaves a file too many, which retention deletes.
    evidence.write(path, found)
    with database.write() as connection:
        moved = _move(connection, clip, path)
        if moved and holds.is_held(connection, clip.case):
            evidence.hold(path, True)
            evidence.hold(clip.path, False)
    evidence.discard(clip.path if moved else path)
    return "renewed" if moved else "current"


def _renewed(path: str) -> str:
    """Return a new path beside `path`: `…/<case>.<8 digits>.ogg`."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/{name.partition('.')[0]}.{secrets.token_hex(4)}.ogg"


def _move(connection: Connection, clip: StoredClip, path: str) -> bool:
    """Let the row of the clip name `path`. Return False if the clip was replaced or deleted meanwhile."""
    return connection.execute(update(EVIDENCE).where(*_same(clip)).values(path=path)).rowcount == 1


def _same(clip: StoredClip) -> tuple[ColumnElement[bool], ...]:
    return EVIDENCE.c.path == clip.path, EVIDENCE.c.sha256 == clip.sha256


CLIP = b"OggS: a clip of `voxwarden evidence check`"

NEEDS_CLIP = {"read", "hold"}
"""Steps that say nothing without the written clip."""


class ProbeStep(Struct, frozen=True):
    """One tried operation. `detail` says what came out, or why it was refused."""

    name: str
    done: bool
    detail: str


RIGHTS: dict[str, frozenset[str]] = {
    "deliver": frozenset({"answer", "write"}),
    "console": frozenset({"answer", "write", "read", "hold"}),
    "retention": frozenset({"answer", "delete"}),
}
"""The steps that succeed with the account of each role, on a bucket whose objects can be locked."""


def is_right(step: ProbeStep, role: str, settings: Settings) -> bool:
    """Whether the account of a role may do what it must, or was refused what it must not do."""
    if step.name == "hold" and not settings.evidence.s3.object_lock:
        return True  # nothing was tried
    deletes = role == "console" and step.name == "delete" and settings.retention.in_console
    return step.done == (deletes or step.name in RIGHTS[role])


def probe(evidence: EvidenceStore) -> Iterator[ProbeStep]:
    """Try each operation on the store with a small clip, as this process would use it. Yield each step when it is done.

    The clip is deleted at the end, if this account may.
    """
    path = f"check/{secrets.token_hex(8)}.ogg"
    steps: dict[str, Callable[[], str]] = {
        "answer": evidence.check,
        "write": lambda: _write(evidence, path),
        "read": lambda: _read(evidence, path),
        "hold": lambda: _hold(evidence, path),
        # Last, and even after a failed step: the clip must not stay.
        "delete": lambda: _remove(evidence, path),
    }
    refused: set[str] = set()
    for name, step in steps.items():
        if "write" in refused and name in NEEDS_CLIP:
            yield ProbeStep(name, False, "not tried, because no clip was written")
            continue
        try:
            yield ProbeStep(name, True, step())
        except VoxwardenError as error:
            refused.add(name)
            yield ProbeStep(name, False, str(error))


def _write(evidence: EvidenceStore, path: str) -> str:
    evidence.write(path, CLIP)
    return path


def _read(evidence: EvidenceStore, path: str) -> str:
    if evidence.get(path) != CLIP:
        raise InputError(f"{path} is not what was written", "Check the rights of this account, and the storage.")
    return f"{len(CLIP)} bytes"


def _hold(evidence: EvidenceStore, path: str) -> str:
    if not evidence.locks:
        return "not used"
    evidence.hold(path, True)
    try:
        evidence.remove(path)
    # Refused, as it must be.
    except DependencyError:
        evidence.hold(path, False)
        return "the locked clip could not be deleted"
    raise InputError("The storage deleted a locked clip", "Create the bucket with object lock, or on another server.")


def _remove(evidence: EvidenceStore, path: str) -> str:
    evidence.remove(path)
    return path
