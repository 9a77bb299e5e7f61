"""The retention job on both databases, with real files."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from pipeline.review import audit_log, stored_recordings
from pipeline.review.accounts.presence import QUARTER
from pipeline.review.cases import appeals, deciding
from pipeline.review.cases.case_values import Choice, Evidence
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.privacy import erasure, holds, retention_job
from pipeline.review.privacy.retention_job import DAY, Done
from pipeline.review.quality import drawing, quality_checks
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.people_tables import DUTY
from pipeline.settings import Keep, Retention
from tests.builders import NOON, flag
from tests.pipeline.review import people
from tests.pipeline.review.privacy.conftest import DISMISSED, RULES, UPHELD, Archive


@pytest.mark.parametrize(
    ("choice", "audio", "case"),
    [(None, 30, 60), (Choice(verdict="escalate"), 30, 60), (UPHELD, 20, 40), (DISMISSED, 2, 10)],
)
def test_the_clip_goes_before_the_case_by_class(archive: Archive, choice: Choice | None, audio: int, case: int) -> None:
    made = archive.add("a", choice)
    archive.run(audio - 0.1)
    assert (archive.state(made), archive.clips()) == ("audio", 1)
    assert archive.run(audio + 0.1).clips == 1
    assert (archive.state(made), archive.clips()) == ("case", 0)
    archive.run(case - 0.1)
    assert archive.state(made) == "case"
    assert archive.run(case + 0.1).cases == 1
    assert archive.state(made) == "gone"


def test_the_time_counts_from_the_last_decision(archive: Archive) -> None:
    late = archive.add("late", UPHELD, at=NOON + 30 * DAY)
    archive.run(41)
    assert archive.state(late) == "audio"


def test_a_label_can_have_longer_times(archive: Archive) -> None:
    grave = archive.add("a", UPHELD, flagged=("minor_safety",))
    plain = archive.add("b", UPHELD)
    archive.run(50)
    assert (archive.state(grave), archive.state(plain)) == ("audio", "gone")
    archive.run(201)
    assert archive.state(grave) == "gone"


def test_held_cases_stay_until_their_hold_is_released(archive: Archive) -> None:
    kept = [archive.add("a", DISMISSED), archive.add("b", DISMISSED, speaker="bob"), archive.add("c", None, room="den")]
    other = archive.add("d", DISMISSED, speaker="dee")
    with archive.database.write() as connection:
        placed = [
            holds.place_hold(connection, "case", kept[0], "court", "lea", NOON),
            holds.place_hold(connection, "speaker", "bob", "court", "lea", NOON),
            holds.place_hold(connection, "room", "den", "court", "lea", NOON),
        ]
    done = archive.run(100)
    assert [archive.state(case) for case in kept] == ["audio"] * 3
    assert (archive.state(other), done.cases, done.held) == ("gone", 1, 3)
    with archive.database.write() as connection:
        for hold in placed:
            holds.release_hold(connection, hold.id, "lea", NOON)
    assert archive.run(100).cases == 3
    assert archive.clips() == 0


def test_an_open_appeal_keeps_its_case_and_clip(archive: Archive) -> None:
    made = archive.add("a", UPHELD)
    with archive.database.write() as connection:
        appeal, _ = appeals.lodge(connection, made, "ann", "no", NOON + 60, 10.0)
    archive.run(1_000)
    assert archive.state(made) == "audio"
    with archive.database.write() as connection:
        appeals.settle(connection, appeal.id, "ben", Choice(verdict="uphold"), NOON + 1_000 * DAY, 10.0)
    archive.run(1_041)
    assert archive.state(made) == "gone"


def test_the_audit_log_has_a_line_with_the_rule_for_each_deletion(archive: Archive) -> None:
    made = archive.add("a", DISMISSED)
    archive.run(3)
    archive.run(11)
    with archive.database.read() as connection:
        lines = [line for line in audit_log.all_lines(connection) if line.actor == retention_job.ACTOR]
    assert [line.action for line in lines] == [
        "audio.expire",
        "retention.run",
        "case.expire",
        "retention.run",
    ]
    assert (lines[0].subject, lines[0].detail) == (made, '{"class":"dismissed","days":2.0,"label":"any"}')
    assert lines[1].detail == '{"cases":0,"clips":1,"erased":0,"held":0,"lines":0}'


def test_a_run_handles_several_batches_and_a_second_run_finds_nothing(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_job, "BATCH", 2)
    for name in "abcde":
        archive.add(name, DISMISSED)
    assert archive.run(11).cases == 5
    assert archive.run(11) == Done(clips=0, cases=0, lines=0, erased=0, held=0)


def test_a_preview_counts_but_deletes_nothing(archive: Archive) -> None:
    made = [archive.add("a", DISMISSED), archive.add("b", UPHELD)]
    at = NOON + 21 * DAY
    preview = retention_job.preview(archive.database, RULES, at)
    assert [archive.state(case) for case in made] == ["audio", "audio"]
    assert (preview.cases, preview.held) == (1, 0)
    assert retention_job.run_retention(archive.database, archive.evidence, RULES, at).cases == 1


def test_the_chain_verifies_after_old_lines_are_deleted(url: str, tmp_path: Path) -> None:
    database, evidence = Database(url), EvidenceFolder(tmp_path)
    long_ago = 1_500_000_000.0  # the database refuses to delete young lines, and it uses the real clock
    with database.write() as connection:
        # The third line has an old time, because its clock was a day slow. It stays, because a line before it stays.
        for at in (0.0, 2 * DAY, DAY):
            audit_log.append(connection, long_ago + at, "ana", "case.view", "x")
    rules = Retention(logs_days=200)
    assert retention_job.preview(database, rules, long_ago + 201.5 * DAY).lines == 1
    assert retention_job.run_retention(database, evidence, rules, long_ago + 201.5 * DAY).lines == 1
    with database.read() as connection:
        assert audit_log.verify_chain(connection).broken is None
        assert [(line.seq, line.action) for line in audit_log.all_lines(connection)] == [
            (2, "case.view"),
            (3, "case.view"),
            (4, "retention.run"),
            (5, "audit.cut"),
        ]
    database.close()


def test_duty_goes_with_the_lines_of_its_time(archive: Archive) -> None:
    people.sit_down(archive.database, "ana", at=NOON)
    people.sit_down(archive.database, "ana", at=NOON + 2 * DAY)
    at = NOON + (RULES.logs_days + 1) * DAY
    retention_job.run_retention(archive.database, archive.evidence, RULES, at)
    with archive.database.read() as connection:
        kept = connection.scalars(select(DUTY.c.quarter)).all()
    assert kept == [(NOON + 2 * DAY) // QUARTER]


def test_the_database_refuses_to_delete_lines_of_the_last_half_year(archive: Archive) -> None:
    with archive.database.write() as connection:
        now = connection.scalar(
            text("SELECT extract(epoch FROM now())")
            if connection.dialect.name == "postgresql"
            else text("SELECT (julianday('now') - 2440587.5) * 86400")
        )
        audit_log.append(connection, float(now or 0.0), "ana", "case.view", "x")
    with pytest.raises(DBAPIError, match="half a year"), archive.database.write() as connection:
        connection.execute(text("DELETE FROM audit WHERE subject = 'x'"))


def test_settings_below_the_minimum_are_refused() -> None:
    with pytest.raises(ValidationError, match="logs_days"):
        Retention(logs_days=100)
    with pytest.raises(ValidationError, match="a clip belongs to a case"):
        Keep(audio_days=2, case_days=1)


def test_the_job_is_due_once_a_day(archive: Archive) -> None:
    def due(days: float) -> bool:
        at = NOON + days * DAY
        return retention_job.run_if_due(archive.database, archive.evidence, RULES, at) is not None

    assert [due(days) for days in (0, 0.01, 0.9, 1.0, 1.5, 2.1)] == [True, False, False, True, False, True]


def test_a_run_deletes_old_results_of_the_api(archive: Archive) -> None:
    row = {"owner": 1, "status": "queued", "progress": 0.0, "utterances": [], "unheard": [], "seen_at": NOON}
    with archive.database.write() as connection:
        stored_recordings.put(connection, row | {"id": "a", "created_at": NOON})
        stored_recordings.end(connection, "a", {"status": "done", "utterances": [{"text": "words"}]}, NOON, False)
    for days, left in ((0.01, 1), (0.05, 0)):
        archive.run(days)
        with archive.database.read() as connection:
            assert len(stored_recordings.page(connection, 1, None, 9)) == left


def test_a_run_deletes_incomplete_clips(archive: Archive) -> None:
    archive.add("a", None)
    piece = archive.evidence.folder / ".left.part"
    piece.touch()
    os.utime(piece, (NOON, NOON))
    archive.run(0.04)
    assert piece.exists()
    archive.run(0.05)
    assert not piece.exists()
    assert archive.clips() == 1


def golden(archive: Archive, days: float) -> tuple[str, str]:
    """Return an upheld case and its golden copy, which was drawn and decided some days later."""
    original = archive.add("a", UPHELD)
    at = NOON + days * DAY
    with archive.database.write() as connection:
        quality_checks.mark_golden(connection, original, "lea", "uphold", NOON + 1)
        copy = drawing.copy(connection, archive.evidence, "golden", original, "any", 1.0, at)
        assert copy
        deciding.decide(connection, copy, "ben", DISMISSED, at + 60)
    return original, copy


def test_a_copy_goes_with_its_original(archive: Archive) -> None:
    original, copy = golden(archive, days=15)
    archive.run(19.9)
    assert (archive.state(original), archive.state(copy), archive.clips()) == ("audio", "audio", 2)
    assert archive.run(20.1).clips == 2
    assert (archive.state(original), archive.state(copy), archive.clips()) == ("case", "case", 0)
    with archive.database.read() as connection:
        assert retention_job.overdue(connection, RULES, NOON + 42 * DAY) == 2
    assert archive.run(40.1).cases == 2
    assert (archive.state(original), archive.state(copy)) == ("gone", "gone")


@pytest.mark.parametrize("on_copy", [False, True])
def test_a_hold_on_a_case_or_on_its_copy_covers_both(archive: Archive, on_copy: bool) -> None:
    original, copy = golden(archive, days=1)
    with archive.database.write() as connection:
        hold = holds.place_hold(connection, "case", copy if on_copy else original, "court", "lea", NOON)
        assert hold.subject == original
        assert all(holds.is_held(connection, case) for case in (original, copy))
    assert archive.run(1_000).held >= 2
    assert (archive.state(original), archive.state(copy), archive.clips()) == ("audio", "audio", 2)
    with archive.database.write() as connection:
        holds.release_hold(connection, hold.id, "lea", NOON)
    assert archive.run(1_000).cases == 2
    assert archive.clips() == 0


def test_a_copy_without_an_original_goes_at_the_next_run(archive: Archive) -> None:
    original, copy = golden(archive, days=1)
    with archive.database.write() as connection:
        erasure.delete_case(connection, archive.evidence, original)
    assert retention_job.preview(archive.database, RULES, NOON + 2 * DAY).cases == 1
    assert archive.run(2).cases == 1
    assert (archive.state(copy), archive.clips()) == ("gone", 0)


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
    assert sorted(retention_job.find_orphans(database, folder, EVER)) == lost
    assert retention_job.find_orphans(database, folder, NOON) == [], "young clips may still get their row"


def test_many_pages_are_read(database: Database, folder: EvidenceFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_job, "ORPHAN_PAGE", 2)
    keep(database, folder, "abc")
    lost = lose(folder, 4)
    assert sorted(retention_job.find_orphans(database, folder, EVER)) == lost


def test_the_clips_of_another_database_stay(
    database: Database, folder: EvidenceFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retention_job, "FEW", 3)
    keep(database, folder, "abc")
    lose(folder, 4)
    assert retention_job.find_orphans(database, folder, EVER) == []
    assert "4 of 7 clips have no case in this database" in caplog.text
    keep(database, folder, "d")
    assert len(retention_job.find_orphans(database, folder, EVER)) == 4, "half of all clips may be without a case"
