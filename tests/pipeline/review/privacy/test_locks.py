"""Legal holds on a real server: nobody deletes a held clip there, and a release frees it."""

import time
from pathlib import Path

import pytest

from pipeline.base.errors import DependencyError
from pipeline.review.cases.values import Choice, Evidence
from pipeline.review.database import Database
from pipeline.review.evidence.aws import Forbidden
from pipeline.review.evidence.clip import store_clip
from pipeline.review.evidence.s3 import S3Evidence
from pipeline.review.evidence.store import EvidenceFolder
from pipeline.review.privacy import holds, locks, retention
from pipeline.review.privacy.retention import DAY
from pipeline.review.store import SqlReviewStore
from pipeline.settings import EvidenceSettings, Keep, Retention
from tests.builders import NOON, flag
from tests.pipeline.review.voices import tone
from tests.s3 import S3Server

SHORT = Retention(dismissed=Keep(audio_days=0, case_days=0))


@pytest.fixture
def evidence(s3_server: S3Server, bucket: str) -> S3Evidence:
    return S3Evidence(EvidenceSettings(store="s3", s3=s3_server.settings(bucket, object_lock=True)))


def dismissed(database: Database, evidence: S3Evidence, name: str = "a") -> tuple[str, str]:
    """Store a dismissed case with a clip. Return its id and the path of the clip."""
    store = SqlReviewStore(database)
    case = store.add([flag(name, 10 * ord(name), 10 * ord(name) + 5)], NOON)[0].case
    path = evidence.put(case, NOON, b"sound")
    store.attach(Evidence(path=path, case=case, start=NOON, end=NOON, seconds=1.0, bytes=5, sha256=""))
    store.decide(case, "ana", Choice(verdict="dismiss"), NOON)
    return case, path


def test_a_held_clip_cannot_be_deleted_until_its_last_hold_is_released(
    database: Database, evidence: S3Evidence
) -> None:
    case, path = dismissed(database, evidence)
    by_case = locks.place_and_lock(database, evidence, "case", case, "court", "lea", NOON)
    by_speaker = locks.place_and_lock(database, evidence, "speaker", "ann", "police", "lea", NOON)
    locks.release_and_unlock(database, evidence, by_case.id, "lea", NOON)
    with pytest.raises(Forbidden):
        evidence.remove(path)
    assert retention.run_retention(database, evidence, SHORT, NOON + DAY).cases == 0
    locks.release_and_unlock(database, evidence, by_speaker.id, "lea", NOON)
    assert retention.run_retention(database, evidence, SHORT, NOON + DAY).cases == 1
    assert evidence.get(path) is None


def test_other_clips_stay_free(database: Database, evidence: S3Evidence) -> None:
    held, _ = dismissed(database, evidence, "a")
    _, path = dismissed(database, evidence, "b")
    locks.place_and_lock(database, evidence, "case", held, "court", "lea", NOON)
    evidence.remove(path)
    assert evidence.get(path) is None


def test_the_retention_job_sets_a_missing_lock(database: Database, evidence: S3Evidence) -> None:
    case, path = dismissed(database, evidence)
    with database.write() as connection:
        holds.place_hold(connection, "case", case, "court", "lea", NOON)
    retention.run_retention(database, evidence, SHORT, NOON + DAY)
    with pytest.raises(Forbidden):
        evidence.remove(path)


def test_a_new_clip_of_a_held_case_is_locked(database: Database, evidence: S3Evidence) -> None:
    store = SqlReviewStore(database)
    case = store.add([flag("a", 0, 5)], NOON)[0].case
    locks.place_and_lock(database, evidence, "speaker", "ann", "court", "lea", NOON)
    store_clip(store, evidence, case, NOON, NOON + 1, tone(1.0), ())
    [clip] = store.case(case).evidence
    with pytest.raises(Forbidden):
        evidence.remove(clip.path)


def test_a_hold_counts_although_the_server_is_away(database: Database, tmp_path: Path) -> None:
    class Away(EvidenceFolder):
        def hold(self, path: str, held: bool) -> None:
            raise DependencyError("The server does not answer", "Check it.")

    evidence = Away(tmp_path)
    store = SqlReviewStore(database)
    case = store.add([flag("a", 0, 5)], NOON)[0].case
    path = evidence.put(case, NOON, b"sound")
    store.attach(Evidence(path=path, case=case, start=NOON, end=NOON, seconds=1.0, bytes=5, sha256=""))
    with pytest.raises(DependencyError, match=r"is placed, but .* The server does not answer\..*tries again"):
        locks.place_and_lock(database, evidence, "case", case, "court", "lea", NOON)
    assert store.held(case)
    with database.read() as connection:
        [hold] = holds.active(connection)
    with pytest.raises(DependencyError):
        locks.release_and_unlock(database, evidence, hold.id, "lea", NOON)
    assert store.held(case), "a clip that is still locked is still on hold"


def test_a_locked_clip_without_a_case_stays_and_is_told(
    database: Database, evidence: S3Evidence, caplog: pytest.LogCaptureFixture
) -> None:
    """A restored database may lack the case, and the hold, too."""
    locked, free = (evidence.put(name, NOON, b"sound") for name in ("aa", "bb"))
    evidence.hold(locked, True)
    assert retention.run_retention(database, evidence, SHORT, time.time() + 2 * DAY).clips == 1
    assert (evidence.get(locked), evidence.get(free)) == (b"sound", None)
    assert "1 clips without a case stay" in caplog.text
