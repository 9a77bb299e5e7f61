"""A case's audio goes from disk and database, and a case goes with all rows about it."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from pipeline.base.errors import DependencyError
from pipeline.review.appeals import appeals, reports
from pipeline.review.cases import deciding, leases
from pipeline.review.cases.values import Choice
from pipeline.review.delivery import outbox
from pipeline.review.evidence.store import EvidenceFolder
from pipeline.review.privacy import forgetting
from pipeline.review.quality import checks
from pipeline.review.tables import METADATA
from pipeline.review.tables.core import CASES, EVIDENCE, FLAGS, OUTBOX
from pipeline.review.tables.rights import REPORTS, VOICES
from tests.builders import NOON
from tests.pipeline.review.privacy.conftest import DISMISSED, UPHELD, Archive


def test_all_rows_about_a_case_are_deleted_with_it(archive: Archive) -> None:
    made = archive.add("a", Choice(verdict="escalate"))
    with archive.database.write() as connection:
        leases.claim(connection, made, "lea", NOON)
        deciding.decide(connection, made, "lea", UPHELD, NOON + 1)
        appeal, _ = appeals.lodge(connection, made, "ann", "no", NOON + 60, 10.0)
        appeals.settle(connection, appeal.id, "ben", DISMISSED, NOON + 90, 10.0)
        flagged = connection.scalars(select(FLAGS.c.id).where(FLAGS.c.case_id == made)).one()
        outbox.store_event(connection, outbox.RAISED, flagged, {"room": "room"}, NOON, NOON)
        checks.mark_golden(connection, made, "lea", "dismiss", NOON + 95)
        checks.record(connection, made, "audit", None, 1.0, NOON + 99)
    with archive.database.write() as connection:
        assert forgetting.delete_case(connection, archive.evidence, made) == 1
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
        forgetting.delete_case(connection, archive.evidence, made)
        after = connection.execute(select(OUTBOX)).all()
    assert (len(before), len(after)) == (2, 1)
    assert (archive.state(other), archive.clips()) == ("audio", 1)
    file = archive.store.case(other)
    assert (len(file.flags), len(file.decisions)) == (1, 1)


def test_the_audio_goes_and_the_case_stays(archive: Archive) -> None:
    case = archive.report({"ann", "bob"})
    with archive.database.write() as connection:
        assert forgetting.delete_audio(connection, archive.evidence, case) == 1
        assert forgetting.delete_audio(connection, archive.evidence, case) == 0
        assert [one.audio for one in reports.of_case(connection, case)] == ["gone"]
        assert connection.execute(select(VOICES)).all() == []
    assert (archive.state(case), archive.clips()) == ("case", 0)


def test_a_report_whose_clip_is_deleted_waits_for_no_clip(archive: Archive) -> None:
    case = archive.report(set())
    with archive.database.write() as connection:
        connection.execute(REPORTS.update().values(audio="waiting"))
        forgetting.delete_audio(connection, archive.evidence, case)
        assert reports.awaiting_clip(connection, NOON + 1) == []


def test_an_unknown_case_is_nothing_to_delete(archive: Archive) -> None:
    made = archive.add("a", UPHELD)
    with archive.database.write() as connection:
        assert forgetting.delete_case(connection, archive.evidence, "nil") == 0
    assert archive.state(made) == "audio"


class StuckFolder(EvidenceFolder):
    """A folder on a disk that deletes nothing."""

    def remove(self, path: str) -> None:
        raise DependencyError(f"cannot delete {path}", "")


def test_a_file_that_cannot_be_deleted_keeps_its_row(archive: Archive, tmp_path: Path) -> None:
    made = archive.add("a", UPHELD)
    with pytest.raises(DependencyError), archive.database.write() as connection:
        forgetting.delete_case(connection, StuckFolder(tmp_path / "evidence"), made)
    assert (archive.state(made), archive.clips()) == ("audio", 1)
    with archive.database.write() as connection:
        assert forgetting.delete_case(connection, archive.evidence, made) == 1
    assert archive.clips() == 0


def test_a_crash_between_file_and_row_is_repeated(archive: Archive) -> None:
    made = archive.add("a", UPHELD)
    archive.evidence.remove(archive.store.case(made).evidence[0].path)
    with archive.database.write() as connection:
        assert forgetting.delete_audio(connection, archive.evidence, made) == 1
        assert connection.execute(select(EVIDENCE)).all() == []
