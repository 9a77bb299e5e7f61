"""Clips of all cases: which are intact, and a new key for them."""

import os
from pathlib import Path

import pytest
from sqlalchemy import select

from pipeline.review.cases.values import Evidence
from pipeline.review.database import Database
from pipeline.review.evidence import stored
from pipeline.review.evidence.keys import LocalKey
from pipeline.review.evidence.s3 import S3Evidence
from pipeline.review.evidence.sealed_store import SealedEvidence
from pipeline.review.evidence.sealing import MAGIC, KeyRing
from pipeline.review.evidence.store import EvidenceFolder, checksum
from pipeline.review.evidence.stored import StoredClip
from pipeline.review.privacy import locks
from pipeline.review.store import SqlReviewStore
from pipeline.review.tables.core import EVIDENCE
from pipeline.settings import EvidenceSettings
from tests.builders import NOON, flag
from tests.s3 import S3Server

OLD, NEW = LocalKey(os.urandom(32)), LocalKey(os.urandom(32))
BEFORE, AFTER = KeyRing("old", {"old": OLD}), KeyRing("new", {"new": NEW, "old": OLD})
SOUND = b"OggS sound"


def keep(database: Database, evidence: SealedEvidence, name: str = "a", sound: bytes = SOUND) -> StoredClip:
    """Store a case with a clip."""
    store = SqlReviewStore(database)
    case = store.add([flag(name, 10 * ord(name), 10 * ord(name) + 5)], NOON)[0].case
    path = evidence.put(case, NOON, sound)
    store.attach(row(path, case, sound))
    return StoredClip(path, case, checksum(sound))


def row(path: str, case: str, sound: bytes) -> Evidence:
    known = checksum(sound)
    return Evidence(path=path, case=case, start=NOON, end=NOON, seconds=1.0, bytes=len(sound), sha256=known)


def rotate(database: Database, evidence: SealedEvidence) -> list[str]:
    return [stored.renew(database, evidence, clip) for clip in stored.all_clips(database)]


@pytest.fixture
def folder(tmp_path: Path) -> EvidenceFolder:
    return EvidenceFolder(tmp_path / "evidence")


def test_all_clips_come_in_pages(database: Database, folder: EvidenceFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "PAGE", 2)
    made = {keep(database, SealedEvidence(folder, AFTER), name) for name in "abcde"}
    found = list(stored.all_clips(database))
    assert set(found) == made
    assert len(found) == stored.count_clips(database) == 5


def test_changed_and_missing_clips_are_found(database: Database, folder: EvidenceFolder) -> None:
    evidence = SealedEvidence(folder, AFTER)
    intact, gone, swapped, other = (keep(database, evidence, name) for name in "abcd")
    plain = keep(database, SealedEvidence(folder, KeyRing()), "e")
    folder.remove(gone.path)
    folder.write(swapped.path, folder.file(other.path).read_bytes())
    folder.write(plain.path, b"OggS other")
    assert stored.read_clip(evidence, intact) == SOUND
    assert [stored.read_clip(evidence, clip) for clip in (gone, swapped, plain)] == ["missing", "changed", "changed"]


def test_a_rotation_encrypts_all_clips_with_the_new_key(database: Database, folder: EvidenceFolder) -> None:
    old = keep(database, SealedEvidence(folder, BEFORE), "a")
    plain = keep(database, SealedEvidence(folder, KeyRing()), "b")
    new = keep(database, SealedEvidence(folder, AFTER), "c")
    evidence = SealedEvidence(folder, AFTER)
    assert sorted(rotate(database, evidence)) == ["current", "renewed", "renewed"]
    only_new = SealedEvidence(folder, KeyRing("new", {"new": NEW}))
    found = list(stored.all_clips(database))
    assert [stored.read_clip(only_new, clip) for clip in found] == [SOUND] * 3
    assert {clip.sha256 for clip in found} == {old.sha256, plain.sha256, new.sha256}
    assert sorted(folder.paths(4e9)) == sorted(clip.path for clip in found), "no old file is left"
    assert set(rotate(database, evidence)) == {"current"}


def test_a_changed_clip_gets_no_new_key(database: Database, folder: EvidenceFolder) -> None:
    clip = keep(database, SealedEvidence(folder, KeyRing()))
    folder.write(clip.path, b"OggS forged")
    assert rotate(database, SealedEvidence(folder, AFTER)) == ["changed"]
    assert folder.get(clip.path) == b"OggS forged"
    folder.write(clip.path, MAGIC)
    assert rotate(database, SealedEvidence(folder, AFTER)) == ["changed"]
    folder.remove(clip.path)
    assert rotate(database, SealedEvidence(folder, AFTER)) == ["missing"]


def test_a_rotation_keeps_the_clip_that_deliver_makes_longer_meanwhile(
    database: Database, folder: EvidenceFolder
) -> None:
    evidence = SealedEvidence(folder, AFTER)
    clip = keep(database, SealedEvidence(folder, BEFORE))

    class Meanwhile(SealedEvidence):
        def write(self, path: str, sound: bytes) -> None:
            super().write(path, sound)
            longer = b"OggS longer sound"
            evidence.write(clip.path, longer)
            SqlReviewStore(database).attach(row(clip.path, clip.case, longer))

    assert stored.renew(database, Meanwhile(folder, AFTER), clip) == "current"
    [found] = stored.all_clips(database)
    assert stored.read_clip(evidence, found) == b"OggS longer sound"
    assert list(folder.paths(4e9)) == [clip.path]


def test_a_clip_on_hold_stays_locked_and_leaves_no_old_version(
    database: Database, s3_server: S3Server, bucket: str
) -> None:
    server = S3Evidence(EvidenceSettings(store="s3", s3=s3_server.settings(bucket, object_lock=True)))
    clip = keep(database, SealedEvidence(server, BEFORE))
    evidence = SealedEvidence(server, AFTER)
    locks.place_and_lock(database, evidence, "case", clip.case, "court", "lea", NOON)
    assert rotate(database, evidence) == ["renewed"]
    with database.read() as connection:
        path = connection.scalars(select(EVIDENCE.c.path)).one()
    assert list(server.paths(4e9)) == [path] != [clip.path]
    status = s3_server.client().get_object_legal_hold(Bucket=bucket, Key=path)
    assert status["LegalHold"]["Status"] == "ON"
