"""What makes a strike, and what takes it back."""

import pytest

from pipeline.contract.messages import Verdict
from pipeline.review.appeals import appeals, reports
from pipeline.review.appeals.reports import Complaint
from pipeline.review.cases import deciding, strikes
from pipeline.review.cases.ranking import Ranking
from pipeline.review.cases.values import Choice
from pipeline.review.database import Database
from pipeline.review.store import SqlReviewStore
from tests.builders import NOON, flag


class Speaker:
    """Ann, who speaks in a room, and the moderators who decide."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = SqlReviewStore(database)

    def says(self, name: str, start: float, end: float, **changes: str) -> str:
        return self.store.add([flag(name, start, end, **changes)], NOON + start)[0].case

    def decide(self, case: str, verdict: Verdict = "uphold", at: float = NOON, **choice: object) -> str:
        made = Choice(verdict=verdict, **choice)  # type: ignore[arg-type]
        with self.database.write() as connection:
            return deciding.decide(connection, case, "ana", made, at).id

    def count(self, since: float = NOON - 1) -> int:
        with self.database.read() as connection:
            return strikes.count_strikes(connection, ["ann", "bob", ""], since).get("ann", 0)


@pytest.fixture
def ann(database: Database) -> Speaker:
    return Speaker(database)


def test_only_upheld_cases_are_strikes(ann: Speaker) -> None:
    first, second, _ = (ann.says(name, n * 100, n * 100 + 5) for n, name in enumerate("abc"))
    ann.decide(first)
    ann.decide(second, "dismiss")
    assert ann.count() == 1


def test_an_undo_takes_the_strike_back(ann: Speaker) -> None:
    decision = ann.decide(ann.says("a", 0, 5))
    with ann.database.write() as connection:
        deciding.undo(connection, decision, "ana", NOON + 5)
    assert ann.count() == 0


def test_an_overturned_appeal_takes_the_strike_back(ann: Speaker) -> None:
    case = ann.says("a", 0, 5)
    ann.decide(case)
    with ann.database.write() as connection:
        appeal, _ = appeals.lodge(connection, case, "ann", "no", NOON + 60, 10)
        appeals.settle(connection, appeal.id, "lea", Choice(verdict="dismiss"), NOON + 90, 10)
    assert ann.count() == 0


def test_speech_counts_once_however_many_cases_it_has(ann: Speaker) -> None:
    ann.decide(ann.says("a", 0, 5))
    report = ann.says("again", 2, 9, suggestion="block")  # a worse suggestion, with new speech: a case of its own
    ann.decide(report)
    assert ann.count() == 1
    ann.decide(ann.says("other room", 2, 9, room="elsewhere"))
    assert ann.count() == 2


def test_speech_that_a_forced_cut_repeats_is_other_speech(ann: Speaker) -> None:
    ann.decide(ann.says("a", 0, 5))
    ann.decide(ann.says("b", 4.5, 9))
    assert ann.count() == 2


def test_a_drill_makes_no_strike(ann: Speaker) -> None:
    ann.decide(ann.says("a", 0, 5, drill="d-1"))
    assert ann.count() == 0


def test_a_strike_ends(ann: Speaker) -> None:
    ann.decide(ann.says("a", 0, 5))
    assert (ann.count(NOON), ann.count(NOON + 1)) == (1, 0)


def test_a_report_of_a_whole_room_strikes_nobody(ann: Speaker) -> None:
    with ann.database.write() as connection:
        report, _ = reports.file(connection, Complaint(room="room", at=NOON), NOON, Ranking({}), 120.0)
    ann.decide(report.case)
    assert ann.count() == 0
    with ann.database.read() as connection:
        assert strikes.strikes_before(connection, ann.store.case(report.case).case, [], NOON - 1) == []


def test_the_strikes_before_a_case_leave_its_own_speech_out(ann: Speaker) -> None:
    warned, muted, now = (ann.says(name, n * 100, n * 100 + 5) for n, name in enumerate("abc"))
    ann.decide(warned, action="warn", label="abuse")
    ann.decide(muted, action="mute", duration_seconds=3_600.0, at=NOON + 100)
    ann.decide(now, at=NOON + 200)
    with ann.database.read() as connection:
        found = strikes.strikes_before(connection, ann.store.case(now).case, [now], NOON)
    assert [(one.case, one.label, one.action, one.duration_seconds) for one in found] == [
        (warned, "abuse", "warn", None),
        (muted, "violence", "mute", 3_600),
    ]
