"""Clips as files: complete or absent, with names made from ids only."""

import errno
import hashlib
import os
import resource
from pathlib import Path

import pytest

from pipeline.base.errors import DependencyError
from pipeline.review.evidence.store import EvidenceFolder, checksum, clip_path
from tests.builders import NOON

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
