"""An erasure deletes all about the speaker, also what arrives late, and nothing of other people."""

from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select

from pipeline.base.errors import CaseError, DependencyError, Missing
from pipeline.review import audit_log
from pipeline.review.audit_log import pseudonym
from pipeline.review.cases import appeals, deciding, leases, reading, user_reports
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.delivery import event_outbox
from pipeline.review.delivery.events_for_apps import RAISED
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.privacy import erasure, holds
from pipeline.review.privacy.erasure import Erased, ErasureRequest
from pipeline.review.privacy.retention_job import DAY
from pipeline.review.quality import drawing, quality_checks
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables import METADATA
from pipeline.review.tables.case_tables import REPORTS, VOICES
from pipeline.review.tables.core import CASES, EVIDENCE, FLAGS, OUTBOX
from tests.builders import NOON, flag
from tests.pipeline.review.privacy.conftest import DISMISSED, KEPT, UPHELD, Archive


def ask(archive: Archive, speaker: str = "ann", at: float = NOON + DAY) -> ErasureRequest:
    with archive.database.write() as connection:
        return erasure.ask_erasure(connection, speaker, "ada", at)


def erase(archive: Archive, request: ErasureRequest, at: float = NOON + DAY, kept: float = KEPT) -> Erased:
    return erasure.carry_out(archive.database, archive.evidence, request, "ada", at, kept)


def asked(archive: Archive) -> list[ErasureRequest]:
    with archive.database.read() as connection:
        return erasure.requests(connection)


def test_an_erasure_deletes_all_of_the_speaker_and_nothing_of_others(archive: Archive) -> None:
    mine = [archive.add("a", UPHELD), archive.add("b", None)]
    other = archive.add("c", UPHELD, speaker="bob")
    with archive.database.write() as connection:
        request = erasure.ask_erasure(connection, "ann", "ada", NOON + DAY)
    done = erasure.carry_out(archive.database, archive.evidence, request, "ada", NOON + DAY)
    assert (done.cases, done.clips, done.held) == (2, 2, 0)
    assert [archive.state(case) for case in (*mine, other)] == ["gone", "gone", "audio"]
    with archive.database.read() as connection:
        assert "ann" not in {event.payload["speaker"] for event in connection.execute(select(OUTBOX))}
        lines = list(audit_log.all_lines(connection))
    assert [line.action for line in lines[-4:]] == ["erasure.ask", "case.erase", "case.erase", "erasure.done"]
    assert not any('"ann"' in line.detail or line.subject == "ann" for line in lines)


def test_an_erasure_also_deletes_late_speech_and_is_then_deleted(archive: Archive) -> None:
    with archive.database.write() as connection:
        erasure.ask_erasure(connection, "ann", "ada", NOON + DAY)
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
        hold = holds.place_hold(connection, "case", held, "court", "lea", NOON)
        request = erasure.ask_erasure(connection, "ann", "ada", NOON + DAY)
    assert erasure.carry_out(archive.database, archive.evidence, request, "ada", NOON + DAY).held == 1
    archive.run(15)
    assert archive.state(held) == "audio"
    with archive.database.write() as connection:
        holds.release_hold(connection, hold.id, "lea", NOON + 16 * DAY)
    assert archive.run(16).erased == 1
    with archive.database.read() as connection:
        assert erasure.requests(connection) == []
        with pytest.raises(Missing):
            reading.case(connection, held)


def test_a_hold_on_a_speaker_keeps_clips_of_rooms_with_them(archive: Archive) -> None:
    case = archive.report({"ann", "bob"})
    with archive.database.write() as connection:
        hold = holds.place_hold(connection, "speaker", "ann", "court", "lea", NOON)
        request = erasure.ask_erasure(connection, "bob", "ada", NOON + DAY)
    assert erasure.carry_out(archive.database, archive.evidence, request, "ada", NOON + DAY).held == 1
    assert archive.run(1_000).held == 1
    assert archive.state(case) == "audio"
    with archive.database.write() as connection:
        holds.release_hold(connection, hold.id, "lea", NOON + 1_000 * DAY)
    assert archive.run(1_000).cases == 1
    assert archive.clips() == 0


def test_a_held_case_keeps_its_reporter_until_the_hold_is_released(archive: Archive) -> None:
    def reporters() -> list[str]:
        with archive.database.read() as connection:
            return [one.reporter for one in user_reports.of_case(connection, case)]

    case = archive.report({"ann"}, reporter="bob")
    with archive.database.write() as connection:
        hold = holds.place_hold(connection, "case", case, "court", "lea", NOON)
        request = erasure.ask_erasure(connection, "bob", "ada", NOON + DAY)
    assert erasure.carry_out(archive.database, archive.evidence, request, "ada", NOON + DAY).held == 1
    assert reporters() == ["bob"]
    archive.run(20)
    with archive.database.write() as connection:
        holds.release_hold(connection, hold.id, "lea", NOON + 20 * DAY)
    archive.run(21)
    assert reporters() == [""]
    with archive.database.read() as connection:
        assert erasure.requests(connection) == []


def test_an_erasure_without_a_speaker_is_refused(archive: Archive) -> None:
    # An empty speaker is the whole room: the erasure would delete all reports about rooms.
    case = archive.report({"ann"})
    with pytest.raises(CaseError, match="names no speaker"):
        ask(archive, "")
    assert (archive.state(case), asked(archive)) == ("audio", [])


def test_a_second_request_replaces_the_first(archive: Archive) -> None:
    ask(archive, "ann", NOON)
    ask(archive, "bob", NOON + 1)
    ask(archive, "ann", NOON + 2)
    assert asked(archive) == [ErasureRequest("bob", "ada", NOON + 1), ErasureRequest("ann", "ada", NOON + 2)]


def test_many_cases_are_erased_in_batches(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "BATCH", 2)
    made = [archive.add(name, DISMISSED) for name in "abcde"]
    request = ask(archive)
    assert erase(archive, request) == Erased(cases=5, clips=5)
    assert {archive.state(case) for case in made} == {"gone"}
    assert erase(archive, request) == Erased()
    with archive.database.read() as connection:
        done = [line for line in audit_log.all_lines(connection) if line.action == "erasure.done"]
    assert [(line.subject, line.detail) for line in done] == [(pseudonym("ann"), '{"cases":5,"clips":5,"held":0}')]


def test_a_room_s_clip_with_the_speaker_s_voice_goes_but_its_case_stays(archive: Archive) -> None:
    heard, other = archive.report({"ann", "bob"}), archive.report({"bob"}, reporter="dee")
    assert heard == other, "both reports are about the same minutes"
    elsewhere = archive.add("x", None, speaker="bob")
    assert erase(archive, ask(archive)) == Erased(clips=1)
    assert [archive.state(case) for case in (heard, elsewhere)] == ["case", "audio"]
    with archive.database.read() as connection:
        assert {one.reporter for one in user_reports.of_case(connection, heard)} == {"cy", "dee"}
        lines = [line.subject for line in audit_log.all_lines(connection) if line.action == "audio.erase"]
    assert lines == [heard], "without this line, the missing clip would look like a fault of a report"


def test_a_reporter_is_forgotten_but_their_report_stays(archive: Archive) -> None:
    case = archive.report({"ann"}, reporter="bob")
    erase(archive, ask(archive, "bob"))
    with archive.database.read() as connection:
        assert [one.reporter for one in user_reports.of_case(connection, case)] == [""]
    assert archive.state(case) == "audio"


def golden_copy(archive: Archive, at: float) -> str:
    """Draw a copy of a golden case. The copy's speech has the time `at`."""
    original = archive.add("a", UPHELD)
    with archive.database.write() as connection:
        quality_checks.mark_golden(connection, original, "lea", "uphold", NOON + 1)
        copy = drawing.copy(connection, archive.evidence, "golden", original, "any", 1.0, at)
        assert copy is not None
        assert reading.case(connection, copy).start > NOON + DAY
    return copy


def test_a_golden_copy_goes_although_its_time_is_after_the_request(archive: Archive) -> None:
    copy = golden_copy(archive, NOON + 2 * DAY)
    assert erase(archive, ask(archive)) == Erased(cases=2, clips=2)
    assert (archive.state(copy), archive.clips()) == ("gone", 0)


def test_the_request_stays_while_a_golden_copy_is_held(archive: Archive) -> None:
    copy = golden_copy(archive, NOON + 2 * DAY)
    with archive.database.write() as connection:
        hold = holds.place_hold(connection, "case", copy, "court", "lea", NOON)
    request = ask(archive)
    late = NOON + DAY + KEPT + 1
    assert erase(archive, request, late) == Erased(held=2), "a hold on the copy holds the original, too"
    assert asked(archive) == [request]
    with archive.database.write() as connection:
        holds.release_hold(connection, hold.id, "lea", late)
    assert erase(archive, request, late) == Erased(cases=2, clips=2)
    assert (archive.state(copy), asked(archive)) == ("gone", [])


def test_the_request_stays_until_no_earlier_speech_can_arrive(archive: Archive) -> None:
    request = ask(archive, at=NOON)
    erase(archive, request, NOON + 100, kept=100)
    assert asked(archive) == [request]
    erase(archive, request, NOON + 101, kept=100)
    assert asked(archive) == []


def test_an_event_that_waits_goes_with_its_case(archive: Archive) -> None:
    archive.add("a", Choice(verdict="escalate"))
    undone = archive.add("b", UPHELD)
    with archive.database.write() as connection:
        connection.execute(OUTBOX.update().values(status="sent"))
        [last] = deciding.last_of(connection, "ana", NOON)[-1:]
        deciding.undo(connection, last.id, "ana", NOON + 1)
        assert "case.undone" in set(connection.scalars(select(OUTBOX.c.kind)))
    erase(archive, ask(archive))
    with archive.database.read() as connection:
        assert connection.execute(select(OUTBOX)).all() == []
    assert archive.state(undone) == "gone"


def test_a_copy_of_speech_after_the_request_stays(archive: Archive) -> None:
    copy = golden_copy(archive, NOON + 2 * DAY)
    assert erase(archive, ask(archive, at=NOON - 1)) == Erased()
    assert archive.state(copy) == "audio"


def test_no_file_of_a_sqlite_store_contains_erased_words(sqlite_url: str, tmp_path: Path) -> None:
    with closing(Database(sqlite_url)) as database:
        archive = Archive(database, tmp_path)
        archive.add("a", None, text="Zanzibarian", hits=())
        assert b"Zanzibarian" in content(tmp_path)
        erase(archive, ask(archive))
        assert b"Zanzibarian" not in content(tmp_path)
        assert b"anz" not in content(tmp_path), "no part of it either, from the index of the search"


def content(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.glob("store.db*")))


def test_all_rows_about_a_case_are_deleted_with_it(archive: Archive) -> None:
    made = archive.add("a", Choice(verdict="escalate"))
    with archive.database.write() as connection:
        leases.claim(connection, made, "lea", NOON)
        deciding.decide(connection, made, "lea", UPHELD, NOON + 1)
        appeal, _ = appeals.lodge(connection, made, "ann", "no", NOON + 60, 10.0)
        appeals.settle(connection, appeal.id, "ben", DISMISSED, NOON + 90, 10.0)
        flagged = connection.scalars(select(FLAGS.c.id).where(FLAGS.c.case_id == made)).one()
        event_outbox.store_event(connection, RAISED, flagged, {"room": "room"}, NOON, NOON)
        quality_checks.mark_golden(connection, made, "lea", "dismiss", NOON + 95)
        quality_checks.record(connection, made, "audit", None, 1.0, NOON + 99)
    with archive.database.write() as connection:
        assert erasure.delete_case(connection, archive.evidence, made) == 1
    assert archive.clips() == 0
    with archive.database.read() as connection:
        tables = [table for table in METADATA.sorted_tables if {"case_id", "about"} & set(table.columns.keys())]
        left = {table.name: connection.scalar(select(func.count()).select_from(table)) for table in [*tables, CASES]}
    assert OUTBOX in tables
    assert set(left.values()) == {0}, left


def test_other_cases_keep_their_rows_and_clips(archive: Archive) -> None:
    made, other = archive.add("a", UPHELD), archive.add("b", UPHELD)
    with archive.database.write() as connection:
        before = connection.execute(select(OUTBOX)).all()
        erasure.delete_case(connection, archive.evidence, made)
        after = connection.execute(select(OUTBOX)).all()
    assert (len(before), len(after)) == (2, 1)
    assert (archive.state(other), archive.clips()) == ("audio", 1)
    file = archive.store.case(other)
    assert (len(file.flags), len(file.decisions)) == (1, 1)


def test_the_audio_goes_and_the_case_stays(archive: Archive) -> None:
    case = archive.report({"ann", "bob"})
    with archive.database.write() as connection:
        assert erasure.delete_audio(connection, archive.evidence, case) == 1
        assert erasure.delete_audio(connection, archive.evidence, case) == 0
        assert [one.audio for one in user_reports.of_case(connection, case)] == ["gone"]
        assert connection.execute(select(VOICES)).all() == []
    assert (archive.state(case), archive.clips()) == ("case", 0)


def test_a_report_whose_clip_is_deleted_waits_for_no_clip(archive: Archive) -> None:
    case = archive.report(set())
    with archive.database.write() as connection:
        connection.execute(REPORTS.update().values(audio="waiting"))
        erasure.delete_audio(connection, archive.evidence, case)
        assert user_reports.awaiting_clip(connection, NOON + 1) == []


def test_an_unknown_case_is_nothing_to_delete(archive: Archive) -> None:
    made = archive.add("a", UPHELD)
    with archive.database.write() as connection:
        assert erasure.delete_case(connection, archive.evidence, "nil") == 0
    assert archive.state(made) == "audio"


class StuckFolder(EvidenceFolder):
    """A folder on a disk that deletes nothing."""

    def remove(self, path: str) -> None:
        raise DependencyError(f"cannot delete {path}", "")


def test_a_file_that_cannot_be_deleted_keeps_its_row(archive: Archive, tmp_path: Path) -> None:
    made = archive.add("a", UPHELD)
    with pytest.raises(DependencyError), archive.database.write() as connection:
        erasure.delete_case(connection, StuckFolder(tmp_path / "evidence"), made)
    assert (archive.state(made), archive.clips()) == ("audio", 1)
    with archive.database.write() as connection:
        assert erasure.delete_case(connection, archive.evidence, made) == 1
    assert archive.clips() == 0


def test_a_crash_between_file_and_row_is_repeated(archive: Archive) -> None:
    made = archive.add("a", UPHELD)
    archive.evidence.remove(archive.store.case(made).evidence[0].path)
    with archive.database.write() as connection:
        assert erasure.delete_audio(connection, archive.evidence, made) == 1
        assert connection.execute(select(EVIDENCE)).all() == []
