"""Clips that no case names."""

from pathlib import Path

import pytest

from pipeline.review.cases.values import Evidence
from pipeline.review.database import Database
from pipeline.review.evidence import orphans
from pipeline.review.evidence.store import EvidenceFolder
from pipeline.review.store import SqlReviewStore
from tests.builders import NOON, flag

EVER = 4e9
"""A time after every write."""


@pytest.fixture
def folder(tmp_path: Path) -> EvidenceFolder:
    return EvidenceFolder(tmp_path / "evidence")


def keep(database: Database, folder: EvidenceFolder, names: str) -> None:
    """Store a case with a clip for each name."""
    store = SqlReviewStore(database)
    for outcome in store.add([flag(name, 10 * ord(name), 10 * ord(name) + 5) for name in names], NOON):
        path = folder.put(outcome.case, NOON, b"sound")
        store.attach(Evidence(path=path, case=outcome.case, start=NOON, end=NOON, seconds=1, bytes=5, sha256=""))


def lose(folder: EvidenceFolder, number: int) -> list[str]:
    return sorted(folder.put(f"{name:x}", NOON, b"sound") for name in range(number))


def test_only_clips_without_a_case_are_found(database: Database, folder: EvidenceFolder) -> None:
    keep(database, folder, "abc")
    lost = lose(folder, 2)
    assert sorted(orphans.find_orphans(database, folder, EVER)) == lost
    assert orphans.find_orphans(database, folder, NOON) == [], "young clips may still get their row"


def test_many_pages_are_read(database: Database, folder: EvidenceFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "ORPHAN_PAGE", 2)
    keep(database, folder, "abc")
    lost = lose(folder, 4)
    assert sorted(orphans.find_orphans(database, folder, EVER)) == lost


def test_the_clips_of_another_database_stay(
    database: Database, folder: EvidenceFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(orphans, "FEW", 3)
    keep(database, folder, "abc")
    lose(folder, 4)
    assert orphans.find_orphans(database, folder, EVER) == []
    assert "4 of 7 clips have no case in this database" in caplog.text
    keep(database, folder, "d")
    assert len(orphans.find_orphans(database, folder, EVER)) == 4, "half of all clips may be without a case"
