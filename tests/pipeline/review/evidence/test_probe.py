"""The check of a store tells what works, by doing it."""

from pathlib import Path

from pipeline.review.evidence.keys import LocalKey
from pipeline.review.evidence.probe import CLIP, ProbeStep, probe
from pipeline.review.evidence.s3 import S3Evidence
from pipeline.review.evidence.sealed_store import SealedEvidence
from pipeline.review.evidence.sealing import KeyRing
from pipeline.review.evidence.store import EvidenceFolder
from pipeline.settings import EvidenceSettings
from tests.s3 import S3Server


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
