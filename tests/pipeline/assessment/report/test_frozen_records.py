"""Each changed record of a final report is found, whatever was deleted, and what comes later is no fault."""

import random
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import Column, delete, select, update

from pipeline.assessment import register
from pipeline.assessment.report import assessments, frozen_records, logged_decisions, stored_evidence, verify
from pipeline.assessment.report.assessments import Assessment
from pipeline.contract.speech_status import status_of
from pipeline.review import audit_log
from pipeline.review.accounts import presence
from pipeline.review.accounts.presence import QUARTER
from pipeline.review.cases import appeals, correcting, reading, user_reports
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import Choice
from pipeline.review.cases.user_reports import Complaint
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.privacy import erasure
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.assessment_tables import ACTIONS, REGISTER, TALLIES
from pipeline.review.tables.case_tables import APPEALS, CHECKS, REPORTS
from pipeline.review.tables.core import CASES, DECISIONS, EVIDENCE, FLAGS
from pipeline.review.tables.people_tables import DUTY
from tests.builders import NOON, flag
from tests.pipeline.assessment import world
from tests.pipeline.assessment.reading import WEEK
from tests.pipeline.assessment.report import stored
from tests.pipeline.review import people

DAY = 86_400.0
TABLES = {"cases": CASES, "flags": FLAGS, "decisions": DECISIONS, "audits": CHECKS, "actions": ACTIONS}
TABLES |= {"appeals": APPEALS, "reports": REPORTS, "register": REGISTER}
CASE = 4
"""Place of the first case in the random week that may be erased."""


def checked(database: Database, assessment: Assessment) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"ok": [], "fault": [], "skipped": []}
    with database.read_in_background() as connection:
        for check in verify.of_assessment(connection, assessment):
            found[check.result].append(check.text)
    return found


@pytest.fixture(scope="module")
def of_week(tmp_path_factory: pytest.TempPathFactory, sqlite_model: Path) -> tuple[Path, Assessment]:
    """A store with the final report of a random week, with an appeal, a user's report and an entry of the register."""
    folder = tmp_path_factory.mktemp("week")
    file = Path(shutil.copy(sqlite_model, folder / "store.db"))
    with closing(Database(f"sqlite:///{file}")) as database:
        people.hire(database)
        world.store(database, world.week(random.Random(7), 60))  # noqa: S311 - no secret
        with database.write() as connection:
            upheld = select(CASES.c.id).where(CASES.c.verdict == "uphold", CASES.c.drill == "").order_by(CASES.c.id)
            case = reading.case(connection, connection.scalars(upheld.limit(1)).one())
            lodged, _ = appeals.lodge(connection, case.id, case.speaker, "not me", WEEK.until - DAY, 10.0)
            appeals.settle(connection, lodged.id, "leo", Choice(verdict="dismiss"), WEEK.until - 60, 10.0)
            user_reports.file(connection, Complaint(room="r", label="fraud", at=NOON), WEEK.until - 90, Ranking({}))
            fields = {"title": "broker down", "severity": "high"}
            register.add(connection, "incident", fields, "lea", WEEK.until - 60, opened_at=WEEK.until - 60)
            made = assessments.open_one(connection, "Harbour", WEEK, "lea", WEEK.until + DAY)
        return file, stored.finish(database, made, folder, WEEK.until + 2 * DAY)


@contextmanager
def copied(file: Path, folder: Path) -> Iterator[Database]:
    copy = Path(shutil.copy(file, folder / "copy.db"))
    with closing(Database(f"sqlite:///{copy}")) as database:
        yield database
    for each in folder.glob("copy.db*"):
        each.unlink()


def faults(database: Database, assessment: Assessment) -> object:
    """Return what `verify` calls a fault of records. It computes no figures, which takes most of the time."""
    with database.read_in_background() as connection:
        frozen = frozen_records.read(connection, assessment.id)
        found = frozen_records.compare(connection, assessment.report(), frozen)
        return found.changed or found.missing or logged_decisions.compare(connection, WEEK.until).different


def erase(database: Database, folder: Path, numbers: Iterable[int]) -> None:
    """Erase the cases of these speakers of the random week, drills among them."""
    speakers = [f"speaker {number}" for number in numbers]
    with database.write() as connection:
        for case in connection.scalars(select(CASES.c.id).where(CASES.c.speaker.in_(speakers))).all():
            erasure.delete_case(connection, EvidenceFolder(folder / "evidence"), case)
            audit_log.append(connection, WEEK.until + 3 * DAY, "ada", "case.erase", case)


def other(column: Column[Any], value: Any) -> Any:
    """Return another value of the column."""
    if column.name == "verdict":
        return "dismiss" if value == "uphold" else "uphold"
    kind = column.type.python_type
    if kind is bool:
        return not value
    if kind in {int, float}:
        return (value or NOON) + 1
    return f"{value}x" if kind is str else [{"label": "x", "term": "x"}]


def changed(database: Database, kind: str, at: int, place: int) -> str:
    """Change one column of one record of the window, as the owner of the database can. Return the column's name."""
    table = TABLES[kind]
    [source] = [source for source in stored_evidence.SOURCES if source.kind == kind]
    columns = [each for each in table.columns if not each.primary_key and each.name not in UNREAD[kind]]
    column = columns[place % len(columns)]
    with database.write() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        ids = sorted(row[0] for row in connection.execute(source.query(WEEK)))
        if not ids:
            return ""
        [mine] = [each == ids[at % len(ids)] for each in table.primary_key]
        old = connection.scalar(select(column).where(mine))
        value = other(column, old)
        if column.foreign_keys:
            [link] = column.foreign_keys
            value = connection.scalar(select(link.column).where(link.column != old).limit(1))
        connection.execute(update(table).where(mine).values({column.name: value}))
    return column.name


UNREAD = {
    "cases": {"risk", "text", "hits", "status", "verdict", "version", "rank", "due_at", "urgency"},
    "flags": {"labels", "marks", "reasons", "words", "address", "sound", "act"},
    "decisions": {"note", "duration_seconds", "strikes", "notice"},
    "audits": {"done"},
    "actions": {"detail"},
    "appeals": {"statement"},
    "reports": {"text", "reporter", "audio"},
    "register": {"author", "changed_at"},
}
"""Columns that no figure reads, and the state of a report's clip, which changes when the clip is cut."""


def test_each_changed_record_is_found_whatever_was_deleted(of_week: tuple[Path, Assessment], tmp_path: Path) -> None:
    file, made = of_week

    @examples(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.sets(st.integers(CASE, 59), max_size=20),
        st.sampled_from(sorted(TABLES)),
        st.integers(0, 10_000),
        st.integers(0, 100),
    )
    def change(erased: set[int], kind: str, at: int, place: int) -> None:
        with copied(file, tmp_path) as database:
            erase(database, tmp_path, erased)
            assert not faults(database, made)
            if name := changed(database, kind, at, place):
                assert faults(database, made), (kind, name)

    change()


def test_a_flipped_decision_is_found_after_drills_were_erased(of_week: tuple[Path, Assessment], tmp_path: Path) -> None:
    file, made = of_week
    with copied(file, tmp_path) as database:
        with database.read() as connection:
            drills = [*connection.scalars(select(CASES.c.speaker).where(CASES.c.drill != ""))]
        erase(database, tmp_path, {int(speaker.split()[1]) for speaker in drills})
        assert (len(drills) > 2, checked(database, made)["fault"]) == (True, [])
        with database.write() as connection:
            dismissed = select(DECISIONS.c.id).where(DECISIONS.c.verdict == "dismiss", DECISIONS.c.at >= WEEK.since)
            one = connection.scalars(dismissed.where(DECISIONS.c.at < WEEK.until).limit(1)).one()
            connection.execute(update(DECISIONS).where(DECISIONS.c.id == one).values(verdict="uphold"))
        found = checked(database, made)["fault"]
    assert f"Changed since the report: decisions {one}" in found
    assert f"1 decisions differ from the audit log: {one}" in found


def on_duty(database: Database, tmp_path: Path) -> Assessment:
    """Freeze the report of a window with three records of duty, 15 minutes apart."""
    stored.fill(database)
    for quarter in range(3):
        people.sit_down(database, "ben", at=NOON + quarter * QUARTER)
    return stored.freeze(database, tmp_path)


def test_a_changed_record_of_duty_is_found(database: Database, tmp_path: Path) -> None:
    made = on_duty(database, tmp_path)
    assert checked(database, made)["fault"] == []
    with database.write() as connection:
        connection.execute(update(DUTY).where(DUTY.c.quarter == NOON // QUARTER).values(role="auditor"))
    assert "Changed since the report: duty ben" in checked(database, made)["fault"]


def test_a_record_of_duty_that_vanished_is_a_fault(database: Database, tmp_path: Path) -> None:
    made = on_duty(database, tmp_path)
    with database.write() as connection:
        connection.execute(delete(DUTY).where(DUTY.c.quarter == NOON // QUARTER))
    assert "Gone since the report, and the audit log tells no reason: duty 1" in checked(database, made)["fault"]


def test_duty_that_went_with_the_lines_of_its_time_is_no_fault(database: Database, tmp_path: Path) -> None:
    made = on_duty(database, tmp_path)
    with database.write() as connection:
        presence.forget_duty(connection, stored.WINDOW.until)
        audit_log.cut(connection, audit_log.append(connection, stored.NOW + DAY, "r", "x", "y").seq, stored.NOW, "r")
    assert [text for text in checked(database, made)["fault"] if "duty" in text or "I-17" in text] == []


def test_a_row_that_vanished_without_a_line_is_a_fault(frozen: Assessment, database: Database) -> None:
    with database.write() as connection:
        for table in (EVIDENCE, DECISIONS):
            connection.execute(delete(table))
    assert "Gone since the report, and the audit log tells no reason: decisions 1" in checked(database, frozen)["fault"]


def test_a_decision_that_was_changed_before_the_report_differs_from_the_log(filled: Database, tmp_path: Path) -> None:
    with filled.write() as connection:
        connection.execute(update(DECISIONS).values(verdict="dismiss", action=None))
    found = checked(filled, stored.freeze(filled, tmp_path))["fault"]
    assert ["decisions differ from the audit log" in text for text in found] == [True]


def test_speech_that_is_counted_late_is_told_and_no_fault(frozen: Assessment, database: Database) -> None:
    late = status_of(flag("late", 300, 302), "segmented")
    SqlReviewStore(database).add([late], stored.NOW + 120)
    found = checked(database, frozen)
    assert found["fault"] == []
    assert any("1 utterances that came after the report" in text for text in found["skipped"])


def test_forged_tallies_that_only_grow_change_no_figure(frozen: Assessment, database: Database) -> None:
    before = checked(database, frozen)
    with database.write() as connection:
        connection.execute(update(TALLIES).values(count=TALLIES.c.count + 1))
    found = checked(database, frozen)
    assert found["fault"] == []
    assert [text for text in found["ok"] if "computed again" in text] == [
        text for text in before["ok"] if "computed again" in text
    ]


def waiting(database: Database, tmp_path: Path) -> tuple[SqlReviewStore, Assessment]:
    """Freeze the report of a window at whose end two cases of one speaker are open, six seconds apart."""
    stored.fill(database)
    store = SqlReviewStore(database)
    end = DAY - 60
    first = flag("one", end, end + 4, speaker="sam", room="r")
    second = flag("two", end + 10, end + 14, speaker="sam", room="r")
    assert len({outcome.case for outcome in store.add([first, second], NOON + DAY - 40)}) == 2
    return store, stored.freeze(database, tmp_path)


@pytest.mark.parametrize(("begin", "end"), [(4, 6), (4, 10)], ids=["grows", "merges"])
def test_speech_that_joins_an_open_case_later_is_told_and_no_fault(
    database: Database, tmp_path: Path, begin: float, end: float
) -> None:
    store, made = waiting(database, tmp_path)
    base = DAY - 60
    late = flag("late", base + begin, base + end, speaker="sam", room="r", flagged=("fraud",), suggestion="block")
    [outcome] = store.add([late], stored.NOW + 600)
    found = checked(database, made)
    assert (outcome.result, found["fault"]) == ("merged", [])
    assert any("joined cases of the report" in text for text in found["skipped"])
    assert any("cannot be computed again" in text for text in found["skipped"])
    with database.write() as connection:
        connection.execute(update(FLAGS).where(FLAGS.c.speaker == stored.SPEAKER).values(listeners=999))
    assert any("Changed since the report: flags" in text for text in checked(database, made)["fault"])


def test_an_escalated_case_that_takes_up_an_older_one_later_is_no_fault(database: Database, tmp_path: Path) -> None:
    store, made = waiting(database, tmp_path)
    base = DAY - 60
    [young] = store.add([flag("young", base + 20, base + 24, speaker="sam", room="r")], NOON + DAY + 5)
    store.decide(young.case, "ana", Choice(verdict="escalate"), NOON + DAY + 60)
    [late] = store.add([flag("late", base + 14, base + 20, speaker="sam", room="r")], stored.NOW + 600)
    assert (late.case, checked(database, made)["fault"]) == (young.case, [])


def test_a_case_that_is_reopened_later_is_no_fault(database: Database, tmp_path: Path) -> None:
    stored.fill(database)
    again = flag("a", 10, 12.2, speaker=stored.SPEAKER, room=stored.ROOM, model="other", utterance="again")
    store = SqlReviewStore(database)
    [outcome] = store.add([again], NOON + 400)
    assert outcome.result == "linked"
    made = stored.freeze(database, tmp_path)
    with database.write() as connection:
        case = reading.case(connection, outcome.case)
        correcting.reopen_case(
            connection, case.id, "lea", "wrong", stored.NOW + 600, version=case.version, ranking=Ranking({})
        )
    found = checked(database, made)
    assert found["fault"] == []
    assert any("reopened" in text for text in found["skipped"])
