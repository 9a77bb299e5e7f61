"""Tries each operation on the evidence store with a small clip, as this process would use it."""

import secrets
from collections.abc import Callable, Iterator

from msgspec import Struct

from pipeline.base.errors import DependencyError, InputError, VoxwardenError
from pipeline.review.evidence.store import EvidenceStore

CLIP = b"OggS: a clip of `voxwarden evidence check`"

NEEDS_CLIP = {"read", "hold"}
"""Steps that say nothing without the written clip."""


class ProbeStep(Struct, frozen=True):
    """One tried operation. `detail` says what came out, or why it was refused."""

    name: str
    done: bool
    detail: str


def probe(evidence: EvidenceStore) -> Iterator[ProbeStep]:
    """Yield a step for each operation, as it is done. The clip is deleted at the end, if this account may."""
    path = f"check/{secrets.token_hex(8)}.ogg"
    steps: dict[str, Callable[[], str]] = {
        "answer": evidence.check,
        "write": lambda: _write(evidence, path),
        "read": lambda: _read(evidence, path),
        "hold": lambda: _hold(evidence, path),
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
    except DependencyError:
        evidence.hold(path, False)
        return "the locked clip could not be deleted"
    raise InputError("The storage deleted a locked clip", "Create the bucket with object lock, or on another server.")


def _remove(evidence: EvidenceStore, path: str) -> str:
    evidence.remove(path)
    return path
