"""Files that hold speech are open to their owner alone, also those that an older version made."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pipeline import private
from pipeline.dead_letters import DeadLetters, path_of
from pipeline.errors import BadMessage
from pipeline.metrics import Metrics
from pipeline.review.delivery.deliver import build
from pipeline.review.evidence.lookback import open_lookback
from pipeline.settings import Settings
from pipeline.sole import sole_user
from pipeline.stage import Rejected
from tests.pipeline.review.builders import flag
from tests.pipeline.review.voices import utterance

OPEN = 0o077


@pytest.fixture(autouse=True)
def careless() -> Iterator[None]:
    """A umask that gives everything to everybody."""
    before = os.umask(0)
    yield
    os.umask(before)


def work(settings: Settings) -> None:
    """All that a machine writes: a case with its clip, look-back, dead letters, and what SQLite writes beside."""
    with sole_user(settings.data_dir):
        lookback = open_lookback(settings)
        stage = build(settings, Metrics(), lookback)
        stage.process([flag("a", 0, 4, address=lookback.put(utterance("a", 0, 4)))])
        DeadLetters(path_of(settings)).add("judge", Rejected(flag("b", 5, 9), BadMessage("no")))
        assert shut(settings.data_dir) >= {"voxwarden.db", "voxwarden.db-wal", "voxwarden.db-shm"}
        stage.close()


def shut(folder: Path) -> set[str]:
    """The names of all that is under `folder`, if nothing is open to others."""
    found = [folder, *folder.rglob("*")]
    assert [str(path) for path in found if path.stat().st_mode & OPEN] == []
    return {path.name for path in found}


def test_what_a_machine_writes_is_private(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new" / "data")
    work(settings)
    names = shut(tmp_path / "new")
    assert {"evidence", "lookback", "dead-letters.jsonl", "voxwarden.db", "lock"} <= names
    assert any(name.endswith(".ogg") for name in names)


def test_what_an_older_version_left_open_is_closed_at_the_start(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    work(settings)
    left = list(settings.data_dir.rglob("*"))
    for path in left:
        path.chmod(0o777 if path.is_dir() else 0o666)
    (settings.data_dir / "lock").chmod(0o600)
    work(settings)
    shut(settings.data_dir)


def test_an_open_file_deep_in_an_open_folder(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "clip").touch(0o644)
    private.repair(tmp_path / "a")
    assert shut(tmp_path / "a") == {"a", "b", "clip"}


def test_links_lead_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.touch(0o644)
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "link").symlink_to(outside)
    private.repair(tmp_path / "ours")
    assert outside.stat().st_mode & OPEN


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    private.make_folder(tmp_path / "a" / "b")
    private.make_folder(tmp_path)
    assert [path.stat().st_mode & 0o777 for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")] == [
        0o755,
        0o700,
        0o700,
    ]


def test_a_folder_that_is_given_for_a_file_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    private.make_file(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_somebody_else_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        os.seteuid(65534)
        try:
            private.repair(Path(folder))
        finally:
            os.seteuid(0)
    assert f"{folder} is open to other users, and its owner is another one" in caplog.text
