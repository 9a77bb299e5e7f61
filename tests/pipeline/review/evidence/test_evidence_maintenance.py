"""Clips of all cases: which are intact, and a new key for them."""

import os
from pathlib import Path

import pytest
from sqlalchemy import select

from pipeline.review.cases.case_values import Evidence
from pipeline.review.database import Database
from pipeline.review.evidence import evidence_maintenance
from pipeline.review.evidence.aws import S3Evidence
from pipeline.review.evidence.evidence_maintenance import CLIP, ProbeStep, StoredClip, probe
from pipeline.review.evidence.evidence_store import EvidenceFolder, SealedEvidence, checksum
from pipeline.review.evidence.sealing import MAGIC, KeyRing, LocalKey
from pipeline.review.privacy import holds
from pipeline.review.review_store import SqlReviewStore
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
    return [evidence_maintenance.renew(database, evidence, clip) for clip in evidence_maintenance.all_clips(database)]


@pytest.fixture
def folder(tmp_path: Path) -> EvidenceFolder:
    return EvidenceFolder(tmp_path / "evidence")


def test_all_clips_come_in_pages(database: Database, folder: EvidenceFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_maintenance, "PAGE", 2)
    made = {keep(database, SealedEvidence(folder, AFTER), name) for name in "abcde"}
    found = list(evidence_maintenance.all_clips(database))
    assert set(found) == made
    assert len(found) == evidence_maintenance.count_clips(database) == 5


def test_changed_and_missing_clips_are_found(database: Database, folder: EvidenceFolder) -> None:
    evidence = SealedEvidence(folder, AFTER)
    intact, gone, swapped, other = (keep(database, evidence, name) for name in "abcd")
    plain = keep(database, SealedEvidence(folder, KeyRing()), "e")
    folder.remove(gone.path)
    folder.write(swapped.path, folder.file(other.path).read_bytes())
    folder.write(plain.path, b"OggS other")
    assert evidence_maintenance.read_clip(evidence, intact) == SOUND
    assert [evidence_maintenance.read_clip(evidence, clip) for clip in (gone, swapped, plain)] == [
        "missing",
        "changed",
        "changed",
    ]


def test_a_rotation_encrypts_all_clips_with_the_new_key(database: Database, folder: EvidenceFolder) -> None:
    old = keep(database, SealedEvidence(folder, BEFORE), "a")
    plain = keep(database, SealedEvidence(folder, KeyRing()), "b")
    new = keep(database, SealedEvidence(folder, AFTER), "c")
    evidence = SealedEvidence(folder, AFTER)
    assert sorted(rotate(database, evidence)) == ["current", "renewed", "renewed"]
    only_new = SealedEvidence(folder, KeyRing("new", {"new": NEW}))
    found = list(evidence_maintenance.all_clips(database))
    assert [evidence_maintenance.read_clip(only_new, clip) for clip in found] == [SOUND] * 3
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

    assert evidence_maintenance.renew(database, Meanwhile(folder, AFTER), clip) == "current"
    [found] = evidence_maintenance.all_clips(database)
    assert evidence_maintenance.read_clip(evidence, found) == b"OggS longer sound"
    assert list(folder.paths(4e9)) == [clip.path]


def test_a_clip_on_hold_stays_locked_and_leaves_no_old_version(
    database: Database, s3_server: S3Server, bucket: str
) -> None:
    server = S3Evidence(EvidenceSettings(store="s3", s3=s3_server.settings(bucket, object_lock=True)))
    clip = keep(database, SealedEvidence(server, BEFORE))
    evidence = SealedEvidence(server, AFTER)
    holds.place_and_lock(database, evidence, "case", clip.case, "court", "lea", NOON)
    assert rotate(database, evidence) == ["renewed"]
    with database.read() as connection:
        path = connection.scalars(select(EVIDENCE.c.path)).one()
    assert list(server.paths(4e9)) == [path] != [clip.path]
    status = s3_server.client().get_object_legal_hold(Bucket=bucket, Key=path)
    assert status["LegalHold"]["Status"] == "ON"


def shown(steps: list[ProbeStep]) -> dict[str, bool]:
    return {step.name: step.done for step in steps}


def test_a_folder_passes_and_keeps_nothing(tmp_path: Path) -> None:
    evidence = SealedEvidence(EvidenceFolder(tmp_path), KeyRing("k", {"k": LocalKey(bytes(32))}))
    steps = list(probe(evidence))
    assert all(shown(steps).values())
    assert steps[0].detail == f"{tmp_path}, encrypted with k"
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_a_bucket_with_object_lock_passes(s3_server: S3Server, bucket: str) -> None:
    evidence = S3Evidence(EvidenceSettings(store="s3", s3=s3_server.settings(bucket, object_lock=True)))
    steps = list(probe(evidence))
    assert all(shown(steps).values())
    assert steps[3].detail == "the locked clip could not be deleted"
    assert list(evidence.paths(4e9)) == []


def test_a_store_that_deletes_locked_clips_is_found(tmp_path: Path) -> None:
    class Careless(EvidenceFolder):
        @property
        def locks(self) -> bool:
            return True

    steps = list(probe(Careless(tmp_path)))
    assert shown(steps) == {"answer": True, "write": True, "read": True, "hold": False, "delete": True}
    assert "deleted a locked clip" in steps[3].detail


def test_a_store_that_returns_something_else_is_found(tmp_path: Path) -> None:
    class Forgetful(EvidenceFolder):
        def get(self, path: str) -> bytes | None:
            return CLIP[:-1]

    steps = list(probe(Forgetful(tmp_path)))
    assert shown(steps)["read"] is False
