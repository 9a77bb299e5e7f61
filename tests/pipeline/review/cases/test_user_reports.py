"""Users' reports become cases. Reports about the same minutes become one case."""

from typing import Any

import msgspec
import pytest

from pipeline.base.errors import Involved
from pipeline.review import audit_log
from pipeline.review.cases import case_queue, deciding, reading, speaker_measures, user_reports
from pipeline.review.cases.case_queue import TARGETS, Ranking
from pipeline.review.cases.case_values import REPORTED, Choice
from pipeline.review.cases.user_reports import Complaint, Report
from pipeline.review.database import Database
from pipeline.review.quality import quality_checks
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag

COMPLAINT = Complaint(room="room", speaker="ann", reporter="bob", label="violence", text="he threatens us", at=NOON)
RANKING = Ranking({"violence": 2, "abuse": 1})


def file(database: Database, now: float = NOON, **changes: Any) -> Report:
    complaint = msgspec.structs.replace(COMPLAINT, **changes)
    with database.write() as connection:
        return user_reports.file(connection, complaint, now, RANKING, 180.0)[0]


def test_a_report_opens_a_case_about_the_minutes_before(database: Database) -> None:
    report = file(database)
    with database.read() as connection:
        [case] = case_queue.list_queue(connection)
        assert user_reports.of_case(connection, case.id) == [report]
        line = list(audit_log.all_lines(connection))[-1]
    assert (case.id, case.room, case.speaker, case.label) == (report.case, "room", "ann", "violence")
    assert (case.start, case.end) == (NOON - 180, NOON)
    assert (case.severity, case.due_at, case.policy) == (2, NOON + 900, REPORTED)
    # The reporter's words are not a transcript, and they are never in the audit log.
    assert case.text == ""
    assert (line.action, line.actor) == ("report.file", "app")
    assert "threatens" not in line.detail
    assert "bob" not in line.detail


def test_the_same_report_sent_again_changes_nothing(database: Database) -> None:
    assert file(database, NOON) == file(database, NOON + 5)
    with database.read() as connection:
        assert case_queue.count_queue(connection) == 1


def test_further_reports_join_the_case_until_it_is_decided(database: Database) -> None:
    first = file(database)
    second = file(database, reporter="cy", at=NOON + 60)
    assert (second.case, second.audio) == (first.case, "waiting")
    with database.write() as connection:
        assert [one.reporter for one in user_reports.of_case(connection, first.case)] == ["bob", "cy"]
        deciding.decide(connection, first.case, "ana", Choice(verdict="dismiss"), NOON + 90)
    third = file(database, reporter="dee", at=NOON + 100)
    assert (third.case != first.case, third.audio) == (True, "waiting")


def test_a_case_gets_the_highest_severity_of_its_reports_and_keeps_its_age(database: Database) -> None:
    first = file(database, label="abuse")
    for later in (file(database, NOON + 30, label="violence", reporter="cy"), file(database, NOON + 40, label="abuse")):
        assert later.case == first.case
    with database.read() as connection:
        case = reading.case(connection, first.case)
    assert (case.label, case.severity, case.due_at) == ("violence", 2, NOON + TARGETS[2])
    assert (case.rank, case.version) == (2, 2)


def test_a_report_about_a_child_brings_its_case_to_the_front(database: Database) -> None:
    first = file(database, label="terror_extremism")
    for label in ("minor_safety", "terror_extremism"):
        assert file(database, NOON + 30, label=label, reporter=f"of {label}").case == first.case
    with database.read() as connection:
        case = reading.case(connection, first.case)
    assert (case.label, case.rank) == ("minor_safety", 0)


def test_a_later_report_extends_the_case_up_to_twice_its_time(database: Database) -> None:
    first, second = file(database), file(database, at=NOON + 150)
    with database.read() as connection:
        case = reading.case(connection, first.case)
    assert (second.case, second.audio) == (first.case, "waiting")
    assert (case.start, case.end, case.version) == (NOON - 180, NOON + 150, 2)
    earlier, too_late = file(database, at=NOON + 100), file(database, at=NOON + 181)
    assert (earlier.case, earlier.audio) == (first.case, "shared")
    assert too_late.case != first.case


def test_a_case_is_never_longer_than_a_clip_can_be(database: Database) -> None:
    def filed(at: float) -> Report:
        with database.write() as connection:
            complaint = msgspec.structs.replace(COMPLAINT, at=at)
            return user_reports.file(connection, complaint, NOON, RANKING, user_reports.LONGEST)[0]

    assert filed(NOON).case != filed(NOON + 1).case


@pytest.mark.parametrize("changes", [{"room": "other"}, {"speaker": "bob"}, {"speaker": ""}, {"at": NOON + 400}])
def test_a_report_about_something_else_opens_its_own_case(database: Database, changes: dict[str, Any]) -> None:
    assert file(database).case != file(database, **changes).case


def test_flags_and_reports_never_share_a_case(database: Database) -> None:
    report = file(database)
    [outcome] = SqlReviewStore(database).add([flag("a", -50, -45)], NOON)
    assert (outcome.result, outcome.case != report.case) == ("created", True)
    assert file(database, reporter="cy").case == report.case


def test_the_reporter_may_not_decide_the_case(database: Database) -> None:
    report = file(database, reporter="ben")
    with pytest.raises(Involved, match="ben is the speaker or a reporter"), database.write() as connection:
        deciding.decide(connection, report.case, "ben", Choice(verdict="uphold"), NOON)
    with database.write() as connection:
        deciding.decide(connection, report.case, "ana", Choice(verdict="uphold", action="mute"), NOON)
    with database.read() as connection:
        assert reading.case(connection, report.case).verdict == "uphold"
        assert speaker_measures.count_strikes(connection, ["ann"], 0) == {"ann": 1}


def test_a_copy_shows_the_reports_of_its_original(database: Database) -> None:
    report = file(database)
    copy = SqlReviewStore(database).add([flag("a", 1_000, 1_005)], NOON)[0].case
    with database.write() as connection:
        quality_checks.record(connection, copy, "second", report.case, 0.05, NOON)
        assert user_reports.of_case(connection, copy) == [report]


def test_reports_wait_until_the_search_for_their_clip_is_over(database: Database) -> None:
    store = SqlReviewStore(database)
    heard, silent, late = file(database), file(database, room="b"), file(database, NOON + 15, room="c")
    assert {one.id for one in store.awaiting_clip(NOON + 10)} == {heard.id, silent.id}
    store.finish_search(heard, {"ann"})
    store.finish_search(silent, set())
    assert store.awaiting_clip(NOON + 20) == [late]
    with database.read() as connection:
        states = [user_reports.of_case(connection, one.case)[0].audio for one in (heard, silent, late)]
    assert states == ["kept", "gone", "waiting"]
