"""The retention job on both databases, with real files."""

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from pipeline.errors import Missing
from pipeline.review import audit
from pipeline.review.appeals import appeals, reports
from pipeline.review.appeals.reports import Complaint
from pipeline.review.cases import deciding, leases, reading
from pipeline.review.cases.ranking import Ranking
from pipeline.review.cases.values import Choice, Evidence
from pipeline.review.database import Database
from pipeline.review.evidence.store import EvidenceFolder
from pipeline.review.privacy import erasure, holds, retention
from pipeline.review.privacy.retention import DAY, Done
from pipeline.review.quality import checks
from pipeline.review.store import SqlReviewStore
from pipeline.review.tables import METADATA
from pipeline.review.tables.core import CASES, OUTBOX
from pipeline.settings import Kafka, Keep, KeepLabel, Retention
from tests.pipeline.review.builders import NOON, flag

KEPT = Kafka().longest_retention_seconds
UPHELD = Choice(verdict="uphold", action="mute")
DISMISSED = Choice(verdict="dismiss")
RULES = Retention(
    open=Keep(audio_days=30, case_days=60),
    upheld=Keep(audio_days=20, case_days=40),
    dismissed=Keep(audio_days=2, case_days=10),
    labels={"minor_safety": KeepLabel(upheld=Keep(audio_days=100, case_days=200))},
)


class Archive:
    """A store with clips, and the retention job."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.store = SqlReviewStore(database)
        self.evidence = EvidenceFolder(folder / "evidence")

    def add(self, name: str, choice: Choice | None, at: float = NOON, **changes: Any) -> str:
        """Store a case with a clip, decide it at `at`, and return its id."""
        offset = 10.0 * (sum(map(ord, name)) + 1)
        case = self.store.add([flag(name, offset, offset + 5, **changes)], NOON)[0].case
        self._attach(case)
        if choice:
            with self.database.write() as connection:
                deciding.decide(connection, case, "ana", choice, at)
        return case

    def report(self, voices: set[str], reporter: str = "cy") -> str:
        """Store a reported case of a whole room, with a clip of these speakers, and return its id."""
        complaint = Complaint(room="den", reporter=reporter, at=NOON)
        with self.database.write() as connection:
            report, _ = reports.file(connection, complaint, NOON, Ranking({}), 60.0)
            reports.heard(connection, report, voices)
        self._attach(report.case)
        return report.case

    def run(self, days: float, rules: Retention = RULES) -> Done:
        return retention.run(self.database, self.evidence, rules, NOON + days * DAY, KEPT)

    def state(self, case: str) -> str:
        """Return "audio", "case" (without audio) or "gone"."""
        try:
            file = self.store.case(case)
        except Missing:
            return "gone"
        return "audio" if file.evidence else "case"

    def _attach(self, case: str) -> None:
        path = self.evidence.put(case, NOON, b"sound")
        self.store.attach(Evidence(path=path, case=case, start=NOON, end=NOON, seconds=1.0, bytes=5, sha256=""))

    def clips(self) -> int:
        return sum(file.is_file() for file in self.evidence.folder.rglob("*"))


@pytest.fixture
def archive(database: Database, tmp_path: Path) -> Archive:
    return Archive(database, tmp_path)


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


def test_all_rows_about_a_case_are_deleted_with_it(archive: Archive) -> None:
    made = archive.add("a", Choice(verdict="escalate"))
    with archive.database.write() as connection:
        leases.claim(connection, made, "lea", NOON)
        deciding.decide(connection, made, "lea", UPHELD, NOON + 1)
        appeal, _ = appeals.lodge(connection, made, "ann", "no", NOON + 60, 10.0)
        appeals.settle(connection, appeal.id, "ben", DISMISSED, NOON + 90, 10.0)
        checks.mark_golden(connection, made, "lea", "dismiss", NOON + 95)
        checks.record(connection, made, "audit", None, 1.0, NOON + 99)
    archive.run(11)
    with archive.database.read() as connection:
        tables = [table for table in METADATA.sorted_tables if {"case_id", "about"} & set(table.columns.keys())]
        left = {table.name: connection.scalar(select(func.count()).select_from(table)) for table in [*tables, CASES]}
    assert OUTBOX in tables
    assert set(left.values()) == {0}, left


def test_held_cases_stay_until_their_hold_is_released(archive: Archive) -> None:
    kept = [archive.add("a", DISMISSED), archive.add("b", DISMISSED, speaker="bob"), archive.add("c", None, room="den")]
    other = archive.add("d", DISMISSED, speaker="dee")
    with archive.database.write() as connection:
        placed = [
            holds.place(connection, "case", kept[0], "court", "lea", NOON),
            holds.place(connection, "speaker", "bob", "court", "lea", NOON),
            holds.place(connection, "room", "den", "court", "lea", NOON),
        ]
    done = archive.run(100)
    assert [archive.state(case) for case in kept] == ["audio"] * 3
    assert (archive.state(other), done.cases, done.held) == ("gone", 1, 3)
    with archive.database.write() as connection:
        for hold in placed:
            holds.release(connection, hold.id, "lea", NOON)
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
        lines = [line for line in audit.lines(connection) if line.actor == retention.ACTOR]
    assert [line.action for line in lines] == ["audio.expire", "retention.run", "case.expire", "retention.run"]
    assert (lines[0].subject, lines[0].detail) == (made, '{"class":"dismissed","days":2.0,"label":"any"}')
    assert lines[1].detail == '{"cases":0,"clips":1,"erased":0,"held":0,"lines":0}'


def test_a_run_handles_several_batches_and_a_second_run_finds_nothing(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for name in "abcde":
        archive.add(name, DISMISSED)
    assert archive.run(11).cases == 5
    assert archive.run(11) == Done(clips=0, cases=0, lines=0, erased=0, held=0)


def test_a_preview_counts_but_deletes_nothing(archive: Archive) -> None:
    made = [archive.add("a", DISMISSED), archive.add("b", UPHELD)]
    at = NOON + 21 * DAY
    preview = retention.preview(archive.database, RULES, at)
    assert [archive.state(case) for case in made] == ["audio", "audio"]
    assert (preview.cases, preview.held) == (1, 0)
    assert retention.run(archive.database, archive.evidence, RULES, at).cases == 1


def test_the_chain_verifies_after_old_lines_are_deleted(url: str, tmp_path: Path) -> None:
    database, evidence = Database(url), EvidenceFolder(tmp_path)
    long_ago = 1_500_000_000.0  # the database refuses to delete young lines, and it uses the real clock
    with database.write() as connection:
        # The third line has an old time, because its clock was a day slow. It stays, because a line before it stays.
        for at in (0.0, 2 * DAY, DAY):
            audit.append(connection, long_ago + at, "ana", "case.view", "x")
    rules = Retention(logs_days=200)
    assert retention.preview(database, rules, long_ago + 201.5 * DAY).lines == 1
    assert retention.run(database, evidence, rules, long_ago + 201.5 * DAY).lines == 1
    with database.read() as connection:
        assert audit.verify(connection).broken is None
        assert [(line.seq, line.action) for line in audit.lines(connection)] == [
            (2, "case.view"),
            (3, "case.view"),
            (4, "retention.run"),
        ]
    database.close()


def test_the_database_refuses_to_delete_lines_of_the_last_half_year(archive: Archive) -> None:
    with archive.database.write() as connection:
        now = connection.scalar(
            text("SELECT extract(epoch FROM now())")
            if connection.dialect.name == "postgresql"
            else text("SELECT (julianday('now') - 2440587.5) * 86400")
        )
        audit.append(connection, float(now or 0.0), "ana", "case.view", "x")
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
        return retention.run_if_due(archive.database, archive.evidence, RULES, at) is not None

    assert [due(days) for days in (0, 0.01, 0.9, 1.0, 1.5, 2.1)] == [True, False, False, True, False, True]


def test_an_erasure_deletes_all_of_the_speaker_and_nothing_of_others(archive: Archive) -> None:
    mine = [archive.add("a", UPHELD), archive.add("b", None)]
    other = archive.add("c", UPHELD, speaker="bob")
    with archive.database.write() as connection:
        request = erasure.ask(connection, "ann", "ada", NOON + DAY)
    done = erasure.carry_out(archive.database, archive.evidence, request, "ada", NOON + DAY)
    assert (done.cases, done.clips, done.held) == (2, 2, 0)
    assert [archive.state(case) for case in (*mine, other)] == ["gone", "gone", "audio"]
    with archive.database.read() as connection:
        assert "ann" not in {event.payload["speaker"] for event in connection.execute(select(OUTBOX))}
        lines = list(audit.lines(connection))
    assert [line.action for line in lines[-4:]] == ["erasure.ask", "case.erase", "case.erase", "erasure.done"]
    assert not any('"ann"' in line.detail or line.subject == "ann" for line in lines)


def test_an_erasure_also_deletes_late_speech_and_is_then_deleted(archive: Archive) -> None:
    with archive.database.write() as connection:
        erasure.ask(connection, "ann", "ada", NOON + DAY)
    late = archive.add("late", None)
    new = SqlReviewStore(archive.database).add([flag("new", 2 * DAY, 2 * DAY + 5)], NOON + 2 * DAY)[0].case
    assert archive.run(2).erased == 1
    assert (archive.state(late), archive.state(new)) == ("gone", "case")
    archive.run(1 + KEPT / DAY + 0.1)
    with archive.database.read() as connection:
        assert erasure.requests(connection) == []


def test_an_erasure_waits_until_a_hold_is_released(archive: Archive) -> None:
    held = archive.add("a", UPHELD)
    with archive.database.write() as connection:
        hold = holds.place(connection, "case", held, "court", "lea", NOON)
        request = erasure.ask(connection, "ann", "ada", NOON + DAY)
    assert erasure.carry_out(archive.database, archive.evidence, request, "ada", NOON + DAY).held == 1
    archive.run(15)
    assert archive.state(held) == "audio"
    with archive.database.write() as connection:
        holds.release(connection, hold.id, "lea", NOON + 16 * DAY)
    assert archive.run(16).erased == 1
    with archive.database.read() as connection:
        assert erasure.requests(connection) == []
        with pytest.raises(Missing):
            reading.case(connection, held)


def test_a_hold_on_a_speaker_keeps_clips_of_rooms_with_them(archive: Archive) -> None:
    case = archive.report({"ann", "bob"})
    with archive.database.write() as connection:
        hold = holds.place(connection, "speaker", "ann", "court", "lea", NOON)
        request = erasure.ask(connection, "bob", "ada", NOON + DAY)
    assert erasure.carry_out(archive.database, archive.evidence, request, "ada", NOON + DAY).held == 1
    assert archive.run(1_000).held == 1
    assert archive.state(case) == "audio"
    with archive.database.write() as connection:
        holds.release(connection, hold.id, "lea", NOON + 1_000 * DAY)
    assert archive.run(1_000).cases == 1
    assert archive.clips() == 0


def test_a_held_case_keeps_its_reporter_until_the_hold_is_released(archive: Archive) -> None:
    def reporters() -> list[str]:
        with archive.database.read() as connection:
            return [one.reporter for one in reports.of_case(connection, case)]

    case = archive.report({"ann"}, reporter="bob")
    with archive.database.write() as connection:
        hold = holds.place(connection, "case", case, "court", "lea", NOON)
        request = erasure.ask(connection, "bob", "ada", NOON + DAY)
    assert erasure.carry_out(archive.database, archive.evidence, request, "ada", NOON + DAY).held == 1
    assert reporters() == ["bob"]
    archive.run(20)
    with archive.database.write() as connection:
        holds.release(connection, hold.id, "lea", NOON + 20 * DAY)
    archive.run(21)
    assert reporters() == [""]
    with archive.database.read() as connection:
        assert erasure.requests(connection) == []


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
