"""What the ladder proposes, and what the speaker is told."""

from typing import Any

import pytest

from pipeline.base.errors import CaseError, ConfigError
from pipeline.contract.messages import Decision, Verdict
from pipeline.judge import labels
from pipeline.review.cases import deciding, speaker_measures, user_reports
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import Choice
from pipeline.review.cases.notices import SpeakerMeasure
from pipeline.review.cases.speaker_measures import Measures
from pipeline.review.cases.user_reports import Complaint
from pipeline.review.database import Database
from pipeline.review.quality import quality_checks
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import OUTBOX
from pipeline.settings import MeasuresSettings, Settings
from tests.builders import NOON, flag

DAY = 86_400.0


def with_settings(**settings: Any) -> Measures:
    return Measures(Settings(measures=MeasuresSettings(**settings)), labels.load_labels())


class Room:
    """A room in which ann speaks and moderators decide."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = SqlReviewStore(database)

    def says(self, at: float, **changes: Any) -> str:
        return self.store.add([flag(str(at), at, at + 5, **changes)], NOON + at)[0].case

    def proposed(self, ladder: Measures, case: str, at: float) -> str:
        with self.database.read() as connection:
            proposal = ladder.propose(connection, self.store.case(case).case, NOON + at)
        assert proposal is not None
        return proposal.measure.key if proposal.measure else ""

    def uphold(self, case: str, at: float, ladder: Measures, by: str = "ana", **choice: Any) -> Decision:
        with self.database.write() as connection:
            made = Choice(verdict="uphold", **choice)
            return deciding.decide(connection, case, by, made, NOON + at, measures=ladder)


@pytest.fixture
def room(database: Database) -> Room:
    return Room(database)


def test_each_strike_climbs_one_step_and_the_last_step_repeats(room: Room) -> None:
    ladder, proposed = with_settings(), []
    for n in range(4):
        case = room.says(n * 100.0)
        proposed.append(room.proposed(ladder, case, n * 100))
        decision = room.uphold(case, n * 100, ladder)
        assert (decision.strikes, decision.notice) == (n + 1, "")
    assert proposed == ["warn", "mute:3600", "mute:86400", "mute:86400"]


def test_old_strikes_do_not_count(room: Room) -> None:
    ladder = with_settings(strike_days=30)
    room.uphold(room.says(0), 0, ladder)
    late = room.says(31 * DAY)
    assert room.proposed(ladder, late, 29 * DAY) == "mute:3600"
    assert room.proposed(ladder, late, 31 * DAY) == "warn"


def test_a_label_s_ladder_goes_before_that_of_its_severity(room: Room) -> None:
    case = room.says(0)  # violence, of medium severity in a store without a label file
    of_severity = {"medium": [{"action": "mute", "duration_seconds": 60}]}
    assert room.proposed(with_settings(severities=of_severity), case, 0) == "mute:60"
    both = with_settings(
        severities=of_severity, labels={"violence": [{"action": "remove"}], "abuse": [{"action": "warn"}]}
    )
    assert room.proposed(both, case, 0) == "remove"
    assert room.proposed(with_settings(labels={"violence": []}), case, 0) == ""


def test_moderators_can_choose_every_step_and_each_action_alone() -> None:
    found = with_settings(labels={"fraud": [{"action": "remove", "duration_seconds": 600}]}).choices
    assert [one.key for one in found] == [
        "warn",
        "mute",
        "mute:3600",
        "mute:86400",
        "remove",
        "remove:600",
        "close_room",
    ]


def test_the_decision_tells_the_speaker_in_their_language(room: Room) -> None:
    ladder = with_settings(appeal_url="https://example.org/appeal")
    decision = room.uphold(room.says(0), 0, ladder, action="mute", duration_seconds=3_600.0)
    assert decision.notice == (
        "审核员认定您在本房间的发言违规：威胁暴力。这是您 30 天内第 1 次违规。您已被禁言 1 小时。"
        "如有异议，您可在此申诉：https://example.org/appeal"
    )
    english = room.uphold(room.says(100, language="en"), 100, ladder, action="warn", label="fraud")
    assert "broke the rules of this room: Fraud" in english.notice
    assert "violation 2 within 30 days. This is a warning." in english.notice
    welsh = room.uphold(room.says(200, language="cy"), 200, ladder, action="remove")
    assert welsh.notice.startswith("A moderator found")
    with room.database.read() as connection:
        sent = [row.payload["decision"] for row in connection.execute(OUTBOX.select().order_by(OUTBOX.c.created_at))]
    assert [one["notice"] for one in sent] == [decision.notice, english.notice, welsh.notice]
    assert (sent[0]["duration_seconds"], sent[0]["strikes"], sent[1]["duration_seconds"]) == (3_600, 1, None)
    [stored] = room.store.case(decision.case).decisions
    assert stored == decision


def test_a_drill_and_a_copy_make_no_strike_and_tell_nobody(room: Room) -> None:
    ladder, copy = with_settings(), room.says(100)
    drill = room.uphold(room.says(0, drill="d-1"), 0, ladder, action="mute")
    with room.database.write() as connection:
        quality_checks.record(connection, copy, "second", room.store.case(drill.case).case.id, 0.05, NOON)
    second = room.uphold(copy, 100, ladder, "ben", action="mute")
    assert [(one.strikes, one.notice) for one in (drill, second)] == [(None, "")] * 2


def test_a_ladder_of_an_unknown_label_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"measures\.labels: unknown label spams"):
        with_settings(labels={"spams": [{"action": "warn"}]})


@pytest.mark.parametrize("action", ["warn", "close_room"])
def test_a_duration_needs_a_mute_or_a_removal(action: str, room: Room) -> None:
    with pytest.raises(ValueError, match=f"{action} has no duration"):
        with_settings(ladder=[{"action": action, "duration_seconds": 60}])
    with pytest.raises(CaseError, match=f"The action {action} has no duration"):
        room.uphold(room.says(0), 0, with_settings(), action=action, duration_seconds=60.0)


def test_the_same_action_for_another_time_is_another_decision(room: Room) -> None:
    case = room.says(0)
    first = room.uphold(case, 0, with_settings(), action="mute", duration_seconds=60.0)
    with room.database.write() as connection:
        deciding.undo(connection, first.id, "ana", NOON + 1)
    assert room.uphold(case, 2, with_settings(), action="mute", duration_seconds=600.0).id != first.id


def test_measures_have_one_key_each() -> None:
    assert [SpeakerMeasure("warn").key, SpeakerMeasure("mute", 60.0).key] == ["warn", "mute:60"]


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
            return speaker_measures.count_strikes(connection, ["ann", "bob", ""], since).get("ann", 0)


@pytest.fixture
def ann(database: Database) -> Speaker:
    return Speaker(database)


def test_only_upheld_cases_are_strikes(ann: Speaker) -> None:
    first, second, _ = (ann.says(name, n * 100, n * 100 + 5) for n, name in enumerate("abc"))
    ann.decide(first)
    ann.decide(second, "dismiss")
    assert ann.count() == 1


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
        report, _ = user_reports.file(connection, Complaint(room="room", at=NOON), NOON, Ranking({}), 120.0)
    ann.decide(report.case)
    assert ann.count() == 0
    with ann.database.read() as connection:
        assert speaker_measures.strikes_before(connection, ann.store.case(report.case).case, [], NOON - 1) == []


def test_the_strikes_before_a_case_leave_its_own_speech_out(ann: Speaker) -> None:
    warned, muted, now = (ann.says(name, n * 100, n * 100 + 5) for n, name in enumerate("abc"))
    ann.decide(warned, action="warn", label="abuse")
    ann.decide(muted, action="mute", duration_seconds=3_600.0, at=NOON + 100)
    ann.decide(now, at=NOON + 200)
    with ann.database.read() as connection:
        found = speaker_measures.strikes_before(connection, ann.store.case(now).case, [now], NOON)
    assert [(one.case, one.label, one.action, one.duration_seconds) for one in found] == [
        (warned, "abuse", "warn", None),
        (muted, "violence", "mute", 3_600),
    ]
