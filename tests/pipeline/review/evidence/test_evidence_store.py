"""Clips as files: complete or absent, with names made from ids only."""

import errno
import hashlib
import os
import resource
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.errors import ConfigError, DependencyError
from pipeline.base.metrics import Metrics
from pipeline.review.delivery import deliver_stage
from pipeline.review.evidence.evidence_store import EvidenceFolder, checksum, clip_path, evidence_checks, open_evidence
from pipeline.review.evidence.lookback import open_lookback
from pipeline.settings import EvidenceSettings, Settings
from tests.builders import NOON
from tests.ports import free_port
from tests.s3 import S3Server

CASE = "36334933-469b-56e0-92f3-85246dd522e9"


def test_a_clip_is_stored_under_the_day_of_its_speech(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path / "evidence")
    path = folder.put(CASE, NOON, b"a clip")
    assert path == f"2026/01/01/{CASE}.ogg"
    assert folder.get(path) == b"a clip"
    assert folder.file(path).read_bytes() == b"a clip"


def test_a_second_clip_replaces_the_first(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path)
    folder.put(CASE, NOON, b"short")
    path = folder.put(CASE, NOON, b"longer")
    assert folder.get(path) == b"longer"
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == [f"{CASE}.ogg"]


def test_a_clip_can_be_removed_twice(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path)
    path = folder.put(CASE, NOON, b"a clip")
    folder.remove(path)
    folder.remove(path)
    assert folder.get(path) is None


@pytest.mark.parametrize("case", ["", "../../etc/cron.d/x", "room 1", "A" * 36, "a" * 65, "a\n"])
def test_only_ids_become_file_names(case: str) -> None:
    with pytest.raises(ValueError, match="not a case id"):
        clip_path(case, NOON)


def test_the_error_names_an_unusable_folder(tmp_path: Path) -> None:
    (tmp_path / "evidence").touch()
    folder = EvidenceFolder(tmp_path / "evidence")
    for use in (
        lambda: folder.put(CASE, NOON, b""),
        lambda: folder.get("a/b"),
        lambda: folder.remove("a/b"),
        folder.check,
    ):
        with pytest.raises(DependencyError, match="evidence cannot be used"):
            use()


def test_the_check_notices_a_full_disk_and_leaves_no_file(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path / "evidence")
    assert folder.check() == str(tmp_path / "evidence")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(DependencyError, match="evidence cannot be used: File too large"):
            folder.check()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.rglob("*.part")) == []


def test_a_full_disk_keeps_no_incomplete_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DependencyError, match="No space left"):
        EvidenceFolder(tmp_path).put(CASE, NOON, b"a clip")
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_sweep_deletes_only_old_incomplete_clips(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path)
    clip = folder.file(folder.put(CASE, NOON, b"a clip"))
    old, young = clip.with_name(".old.part"), clip.with_name(".young.part")
    for file, written in ((clip, NOON - 9), (old, NOON - 1), (young, NOON)):
        file.touch()
        os.utime(file, (written, written))
    folder.sweep(NOON)
    assert set(clip.parent.iterdir()) == {clip, young}


def test_checksums_are_sha256() -> None:
    assert checksum(b"a clip") == hashlib.sha256(b"a clip").hexdigest()


KEY = {"id": "k", "key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}


def settings(folder: Path, **evidence: Any) -> Settings:
    return Settings(data_dir=folder, evidence=EvidenceSettings.model_validate(evidence))


def away() -> dict[str, Any]:
    endpoint = f"http://127.0.0.1:{free_port()}"
    return {"store": "s3", "s3": {"bucket": "clips", "endpoint": endpoint, "access_key": "a", "secret_key": "b"}}


def test_clips_are_plain_files_by_default(tmp_path: Path) -> None:
    path = open_evidence(settings(tmp_path)).put("ab", NOON, b"OggS sound")
    assert (tmp_path / "evidence" / path).read_bytes() == b"OggS sound"


def test_two_hosts_with_one_bucket_and_one_key_share_clips(s3_server: S3Server, bucket: str, tmp_path: Path) -> None:
    chosen = {"store": "s3", "s3": s3_server.settings(bucket), "encryption": {"keys": [KEY]}}
    one, two = (settings(tmp_path / name, **chosen) for name in ("one", "two"))
    path = open_evidence(one).put("ab", NOON, b"OggS sound")
    assert open_evidence(two).get(path) == b"OggS sound"
    assert b"sound" not in s3_server.client().get_object(Bucket=bucket, Key=path)["Body"].read()
    assert list(evidence_checks(two)) == ["evidence"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("missing", "chosen", "setting"),
    [
        ("botocore", away(), "evidence.store=s3"),
        ("cryptography.hazmat.primitives.ciphers.aead", {"encryption": {"keys": [KEY]}}, "evidence.encryption"),
    ],
)
def test_a_missing_library_comes_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, chosen: dict[str, Any], setting: str
) -> None:
    for name in [name for name in sys.modules if name.startswith(("botocore", "pipeline.review.evidence.aws"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigError, match=rf"{setting} needs {missing}.*pip install 'botocore.*cryptography"):
        open_evidence(settings(tmp_path, **chosen))


def test_deliver_starts_while_the_server_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chosen = settings(tmp_path, **away())
    deliver_stage.build(chosen, Metrics(), open_lookback(chosen)).close()
    assert "Cases come without their clips until the store of the clips takes them: S3 bucket clips" in caplog.text
