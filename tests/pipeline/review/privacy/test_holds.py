"""Legal holds: placing, releasing, and their lines in the audit log."""

import time
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from pipeline.base.errors import CaseError, DependencyError, Missing
from pipeline.review import audit_log
from pipeline.review.cases.case_values import Choice, Evidence
from pipeline.review.database import Database
from pipeline.review.evidence.aws import Forbidden, S3Evidence
from pipeline.review.evidence.clip_cutting import store_clip
from pipeline.review.evidence.evidence_store import EvidenceFolder, EvidenceOutage
from pipeline.review.privacy import holds, retention_job
from pipeline.review.privacy.retention_job import DAY
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.case_tables import VOICES
from pipeline.review.tables.core import CASES
from pipeline.settings import EvidenceSettings, Keep, Retention
from tests.builders import NOON, flag
from tests.pipeline.review.voices import tone
from tests.s3 import S3Server


def test_a_hold_is_active_until_it_is_released(database: Database) -> None:
    with database.write() as connection:
        first = holds.place_hold(connection, "speaker", "ann", "court order 7", "lea", NOON)
        second = holds.place_hold(connection, "room", "lobby", "police 12", "lea", NOON + 1)
        assert holds.active(connection) == [first, second]
        holds.release_hold(connection, first.id, "ada", NOON + 2)
        assert holds.active(connection) == [second]
        with pytest.raises(Missing, match="released already"):
            holds.release_hold(connection, first.id, "ada", NOON + 3)


def test_the_audit_log_shows_actor_and_reason_but_no_speaker(database: Database) -> None:
    with database.write() as connection:
        hold = holds.place_hold(connection, "speaker", "ann-the-speaker", "court order 7", "lea", NOON)
        holds.release_hold(connection, hold.id, "ada", NOON + 1)
        lines = list(audit_log.all_lines(connection))[-2:]
    assert [(line.action, line.actor) for line in lines] == [("hold.place", "lea"), ("hold.release", "ada")]
    assert all("court order 7" in line.detail and "ann-the-speaker" not in line.detail for line in lines)


@pytest.mark.parametrize(("subject", "reason"), [("", "why"), ("ann", "")])
def test_a_hold_needs_a_subject_and_a_reason(database: Database, subject: str, reason: str) -> None:
    with pytest.raises(CaseError, match="needs a subject and a reason"), database.write() as connection:
        holds.place_hold(connection, "speaker", subject, reason, "lea", NOON)


def test_a_hold_moves_with_a_merged_case(database: Database) -> None:
    store = SqlReviewStore(database)
    first, second = (outcome.case for outcome in store.add([flag("a", 0, 5), flag("b", 10, 15)], NOON))
    with database.write() as connection:
        for case in (first, second):
            holds.place_hold(connection, "case", case, "court order 7", "lea", NOON)
    [joint] = store.add([flag("between", 4, 11)], NOON)
    assert joint.case in {first, second}
    with database.read() as connection:
        assert [hold.subject for hold in holds.active(connection)] == [joint.case] * 2
        assert list(connection.scalars(select(CASES.c.id).where(holds.held()))) == [joint.case]


def test_a_hold_on_a_voice_holds_only_the_cases_that_it_is_heard_in(database: Database) -> None:
    store = SqlReviewStore(database)
    heard, other = (outcome.case for outcome in store.add([flag("a", speaker="ann"), flag("b", speaker="ben")], NOON))
    with database.write() as connection:
        connection.execute(insert(VOICES).values(case_id=heard, speaker="cho"))
        holds.place_hold(connection, "speaker", "cho", "court order 7", "lea", NOON)
        assert list(connection.scalars(select(CASES.c.id).where(holds.held()))) == [heard]
        assert [row.id for row in connection.execute(holds.cases())] == [heard]
        assert not holds.is_held(connection, other)


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
    by_case = holds.place_and_lock(database, evidence, "case", case, "court", "lea", NOON)
    by_speaker = holds.place_and_lock(database, evidence, "speaker", "ann", "police", "lea", NOON)
    holds.release_and_unlock(database, evidence, by_case.id, "lea", NOON)
    with pytest.raises(Forbidden):
        evidence.remove(path)
    assert retention_job.run_retention(database, evidence, SHORT, NOON + DAY).cases == 0
    holds.release_and_unlock(database, evidence, by_speaker.id, "lea", NOON)
    assert retention_job.run_retention(database, evidence, SHORT, NOON + DAY).cases == 1
    assert evidence.get(path) is None


def test_other_clips_stay_free(database: Database, evidence: S3Evidence) -> None:
    held, _ = dismissed(database, evidence, "a")
    _, path = dismissed(database, evidence, "b")
    holds.place_and_lock(database, evidence, "case", held, "court", "lea", NOON)
    evidence.remove(path)
    assert evidence.get(path) is None


def test_the_retention_job_sets_a_missing_lock(database: Database, evidence: S3Evidence) -> None:
    case, path = dismissed(database, evidence)
    with database.write() as connection:
        holds.place_hold(connection, "case", case, "court", "lea", NOON)
    retention_job.run_retention(database, evidence, SHORT, NOON + DAY)
    with pytest.raises(Forbidden):
        evidence.remove(path)


def test_a_new_clip_of_a_held_case_is_locked(database: Database, evidence: S3Evidence) -> None:
    store = SqlReviewStore(database)
    case = store.add([flag("a", 0, 5)], NOON)[0].case
    holds.place_and_lock(database, evidence, "speaker", "ann", "court", "lea", NOON)
    store_clip(store, EvidenceOutage(evidence), case, NOON, NOON + 1, tone(1.0), ())
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
        holds.place_and_lock(database, evidence, "case", case, "court", "lea", NOON)
    assert store.held(case)
    with database.read() as connection:
        [hold] = holds.active(connection)
    with pytest.raises(DependencyError):
        holds.release_and_unlock(database, evidence, hold.id, "lea", NOON)
    assert store.held(case), "a clip that is still locked is still on hold"


def test_a_locked_clip_without_a_case_stays_and_is_told(
    database: Database, evidence: S3Evidence, caplog: pytest.LogCaptureFixture
) -> None:
    """A restored database may lack the case, and the hold, too."""
    locked, free = (evidence.put(name, NOON, b"sound") for name in ("aa", "bb"))
    evidence.hold(locked, True)
    assert retention_job.run_retention(database, evidence, SHORT, time.time() + 2 * DAY).clips == 1
    assert (evidence.get(locked), evidence.get(free)) == (b"sound", None)
    assert "1 clips without a case stay" in caplog.text
