"""Only the owner can access files with speech. This includes files that an older version wrote."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pipeline.base import private_files
from pipeline.base.errors import BadMessage, ConfigError
from pipeline.base.metrics import Metrics
from pipeline.base.private_files import LOCK_FILE, sole_user
from pipeline.contract.stage import Rejected
from pipeline.review.delivery.deliver_stage import build
from pipeline.review.evidence.lookback import open_lookback
from pipeline.runner.dead_letter_file import DeadLetterFile, dead_letter_path
from pipeline.settings import Settings
from tests.builders import flag
from tests.pipeline.review.voices import utterance

OPEN = 0o077


@pytest.fixture(autouse=True)
def careless() -> Iterator[None]:
    """A umask that gives all users full access."""
    before = os.umask(0)
    yield
    os.umask(before)


def work(settings: Settings) -> None:
    """All files that one machine writes: a case with its clip, look-back, dead letters, and the files of SQLite."""
    with sole_user(settings.data_dir):
        lookback = open_lookback(settings)
        stage = build(settings, Metrics(), lookback)
        stage.process([flag("a", 0, 4, address=lookback.put(utterance("a", 0, 4)))])
        DeadLetterFile(dead_letter_path(settings)).add("judge", Rejected(flag("b", 5, 9), BadMessage("no")))
        assert shut(settings.data_dir) >= {"voxwarden.db", "voxwarden.db-wal", "voxwarden.db-shm"}
        stage.close()


def shut(folder: Path) -> set[str]:
    """The names of all files under `folder`. Fails if other users can access any of them."""
    found = [folder, *folder.rglob("*")]
    assert [str(path) for path in found if path.stat().st_mode & OPEN] == []
    return {path.name for path in found}


def test_all_files_of_one_machine_are_private(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new" / "data")
    work(settings)
    names = shut(tmp_path / "new")
    assert {"evidence", "lookback", "dead-letters.jsonl", "voxwarden.db", "lock"} <= names
    assert any(name.endswith(".ogg") for name in names)


def test_files_that_an_older_version_left_open_are_closed_at_the_start(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    work(settings)
    left = list(settings.data_dir.rglob("*"))
    for path in left:
        path.chmod(0o777 if path.is_dir() else 0o666)
    (settings.data_dir / "lock").chmod(0o600)
    work(settings)
    assert shut(settings.data_dir) >= {path.name for path in left if path.suffix == ".ogg"}


def test_an_open_file_deep_in_an_open_folder_is_closed(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "clip").touch(0o644)
    private_files.repair(tmp_path / "a")
    assert shut(tmp_path / "a") == {"a", "b", "clip"}


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.touch(0o644)
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "link").symlink_to(outside)
    private_files.repair(tmp_path / "ours")
    assert outside.stat().st_mode & OPEN


def test_an_existing_folder_is_not_changed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    private_files.make_folder(tmp_path / "a" / "b")
    private_files.make_folder(tmp_path)
    assert [path.stat().st_mode & 0o777 for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")] == [
        0o755,
        0o700,
        0o700,
    ]


def test_a_folder_in_place_of_a_file_is_not_changed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    private_files.make_file(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_owner_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        os.seteuid(65534)
        try:
            private_files.repair(Path(folder))
        finally:
            os.seteuid(0)
    assert f"Other users can access {folder}, and another user owns it" in caplog.text


def test_a_file_is_written_completely_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "one"
    private_files.write_private(file, b"before")
    private_files.write_private(file, b"after")
    assert file.read_bytes() == b"after"
    assert not file.stat().st_mode & OPEN

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        private_files.write_private(file, b"never")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    assert file.read_bytes() == b"after"


def test_a_second_process_is_refused_with_the_id_of_the_first(tmp_path: Path) -> None:
    with (
        sole_user(tmp_path / "data"),
        pytest.raises(ConfigError, match=rf"data is in use .*\({os.getpid()}\)"),
        sole_user(tmp_path / "data"),
    ):
        pass


def test_the_folder_is_free_after_the_first_process(tmp_path: Path) -> None:
    with sole_user(tmp_path):
        pass
    with sole_user(tmp_path):
        assert (tmp_path / LOCK_FILE).read_text() == str(os.getpid())
