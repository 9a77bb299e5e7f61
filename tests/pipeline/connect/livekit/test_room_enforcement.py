"""When the actor acts, tries again, gives up and gives rights back. The clock is that of the test."""

import asyncio
from typing import Any, get_args

import aiohttp
import pytest

from pipeline.base.metrics import Metrics
from pipeline.connect.livekit import room_enforcement
from pipeline.connect.livekit.livekit_server import AbsentError, Moderation
from pipeline.connect.livekit.room_enforcement import ABSENT, Actor
from pipeline.contract.messages import Action
from pipeline.judge import labels
from pipeline.review.cases import deciding, reading
from pipeline.review.cases.case_values import Choice
from pipeline.review.cases.speaker_measures import Measures
from pipeline.review.database import Database
from pipeline.review.delivery import enforcements
from pipeline.review.delivery.enforcements import FlaggedSpeech
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.privacy import erasure
from pipeline.review.review_store import SqlReviewStore
from pipeline.settings import ActionRule, LiveKitSettings, Settings
from tests.builders import NOON, flag
from tests.pipeline.review import people

UNDO = 10.0
MUTE = 600.0
RIGHTS = {"can_publish": True}


class NotingModeration(Moderation):
    """Writes down the calls. `fault` is raised by each of them. `speaking` are those who may publish."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fault: Exception | None = None
        self.crash: Exception | None = None
        """Raised after a mute."""
        self.speaking = {"ann", "bo"}
        self.told: list[dict[str, Any]] = []

    def _call(self, *words: str) -> None:
        if self.fault:
            raise self.fault
        self.calls.append(" ".join(words))

    async def warn(self, room: str, speaker: str, notice: dict[str, Any]) -> None:
        self._call("tell", room, speaker, notice["action"])
        self.told.append(notice)

    async def rights(self, room: str, speaker: str) -> dict[str, Any] | None:
        if self.fault:
            raise self.fault
        return RIGHTS if speaker in self.speaking else None

    async def mute(self, room: str, speaker: str) -> None:
        self._call("mute", room, speaker)
        self.speaking -= {speaker}
        if self.crash:
            raise self.crash

    async def unmute(self, room: str, speaker: str, given: dict[str, Any]) -> None:
        assert given == RIGHTS
        self._call("unmute", room, speaker)
        self.speaking |= {speaker}

    async def remove(self, room: str, speaker: str) -> None:
        self._call("remove", room, speaker)

    async def close(self, room: str) -> None:
        self._call("close", room)


class Stage:
    """A store with a flag of Ann's speech, and an actor whose clock the test sets."""

    def __init__(self, database: Database, **settings: Any) -> None:
        self.database, self.now, self.moderation, self.metrics = database, NOON, NotingModeration(), Metrics()
        self.rooms = {"room"}
        self._settings = LiveKitSettings(mute_seconds=MUTE, **settings)
        self.actor = self.new_actor()

    def new_actor(self) -> Actor:
        covers, clock = lambda room: room in self.rooms, lambda: self.now
        return Actor(self._settings, UNDO, self.database, self.moderation, covers, self.metrics, clock)

    def flagged(self, name: str = "a", begin: float = 0, **changes: Any) -> str:
        [outcome] = SqlReviewStore(self.database).add([flag(name, begin, begin + 5, **changes)], self.now)
        return outcome.case

    def decide(self, case: str, action: Action = "mute", by: str = "ana") -> str:
        with self.database.write() as connection:
            return deciding.decide(connection, case, by, Choice(verdict="uphold", action=action), self.now).id

    def undo(self, decision: str) -> None:
        with self.database.write() as connection:
            deciding.undo(connection, decision, "ana", self.now)

    def dismiss(self, case: str) -> None:
        with self.database.write() as connection:
            found = reading.case(connection, case, lock=True)
            deciding.add_decision(connection, found, "bo", Choice(verdict="dismiss"), self.now)

    async def tick(self, later: float = 0.0) -> list[str]:
        """Let time pass, and return what the actor then does."""
        self.now += later
        self.moderation.calls.clear()
        await self.actor.tick()
        return list(self.moderation.calls)

    def result(self, decision: str) -> tuple[str, str] | None:
        with self.database.read() as connection:
            held = enforcements.confirmation_of(connection, decision)
        return (held.result, held.detail) if held else None

    def states(self, case: str) -> list[str]:
        with self.database.read() as connection:
            return [each.state for each in enforcements.of_case(connection, case)]

    def count(self, action: str, result: str) -> float | None:
        return self.metrics.registry.get_sample_value(
            "voxwarden_livekit_actions_total", {"action": action, "result": result}
        )


@pytest.fixture
def database(sqlite_url: str) -> Any:
    opened = Database(sqlite_url)
    people.hire(opened)
    yield opened
    opened.close()


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(database)


async def test_a_mute_acts_at_once_and_is_confirmed(stage: Stage) -> None:
    case = stage.flagged()
    decision = stage.decide(case)
    assert await stage.tick(0.25) == ["mute room ann", "tell room ann mute"]
    assert (stage.result(decision), stage.states(case)) == (("done", ""), ["done"])
    assert await stage.tick(1) == []
    value = stage.metrics.registry.get_sample_value
    assert (stage.count("mute", "done"), value("voxwarden_actions_total", {"result": "done"})) == (1, 1)
    assert value("voxwarden_review_to_action_seconds_sum") == 0.25


async def test_a_mute_lasts_as_long_as_its_decision_says_and_the_speaker_is_told(stage: Stage) -> None:
    case, choice = stage.flagged(), Choice(verdict="uphold", action="mute", duration_seconds=3 * MUTE)
    ladder = Measures(Settings(), labels.load_labels())
    with stage.database.write() as connection:
        deciding.decide(connection, case, "ana", choice, stage.now, measures=ladder)
    assert await stage.tick() == ["mute room ann", "tell room ann mute"]
    assert "禁言" in stage.moderation.told[-1]["text"]
    assert await stage.tick(3 * MUTE - 1) == []
    assert await stage.tick(1) == ["unmute room ann", "tell room ann unmute"]


@pytest.mark.parametrize(
    ("action", "call"),
    [("warn", "tell room ann warn"), ("remove", "remove room ann"), ("close_room", "close room")],
)
async def test_other_actions_wait_until_they_cannot_be_undone(stage: Stage, action: Action, call: str) -> None:
    decision = stage.decide(stage.flagged(), action)
    assert await stage.tick(UNDO - 0.1) == []
    assert await stage.tick(0.2) == [call]
    assert stage.result(decision) == ("done", "")


async def test_an_undone_decision_is_not_carried_out(stage: Stage) -> None:
    decision = stage.decide(stage.flagged(), "remove")
    await stage.tick(UNDO / 2)
    stage.undo(decision)
    assert await stage.tick(UNDO) == []


async def test_an_undo_gives_the_right_back(stage: Stage) -> None:
    case = stage.flagged()
    decision = stage.decide(case)
    await stage.tick()
    stage.undo(decision)
    assert await stage.tick(1) == ["unmute room ann", "tell room ann unmute"]
    assert stage.states(case) == ["lifted"]
    assert await stage.tick(1) == []
    assert stage.count("unmute", "done") == 1


async def test_a_mute_ends_by_itself(stage: Stage) -> None:
    stage.decide(stage.flagged())
    await stage.tick()
    assert await stage.tick(MUTE - 1) == []
    assert await stage.tick(2) == ["unmute room ann", "tell room ann unmute"]


async def test_a_mute_survives_a_restart_of_the_process(stage: Stage) -> None:
    stage.decide(stage.flagged())
    await stage.tick()
    stage.actor = stage.new_actor()
    assert await stage.tick(MUTE - 1) == []
    assert await stage.tick(2) == ["unmute room ann", "tell room ann unmute"]


@pytest.mark.parametrize("pause", [1, MUTE + 1])
async def test_a_crash_after_a_mute_loses_no_right(stage: Stage, pause: float) -> None:
    """The process comes back soon, or after the end of the mute."""
    case = stage.flagged()
    stage.decide(case)
    stage.moderation.crash = RuntimeError("the process dies here")
    with pytest.raises(RuntimeError):
        await stage.tick()
    stage.moderation.crash, stage.actor = None, stage.new_actor()
    await stage.tick(pause)
    await stage.tick(MUTE + 1)
    assert stage.moderation.speaking == {"ann", "bo"}
    assert stage.states(case) == ["lifted"]


async def test_the_right_comes_back_after_the_last_of_two_mutes(stage: Stage) -> None:
    first, second = stage.flagged(), stage.flagged("b", 100)
    undone = stage.decide(first)
    await stage.tick()
    stage.now += 5
    stage.decide(second)
    await stage.tick()
    stage.undo(undone)
    assert await stage.tick(1) == []
    assert await stage.tick(MUTE) == ["unmute room ann", "tell room ann unmute"]
    assert stage.states(first) == stage.states(second) == ["lifted"]


async def test_a_muted_person_who_comes_back_is_muted_again(stage: Stage) -> None:
    stage.decide(stage.flagged())
    await stage.tick()
    await stage.tick()
    stage.moderation.speaking |= {"ann"}
    stage.actor.arrived("room", "ann")
    stage.actor.arrived("room", "bo")
    stage.actor.arrived("other", "ann")
    await asyncio.gather(*stage.actor._tasks)
    assert stage.moderation.calls == ["mute room ann"]
    assert await stage.tick(MUTE + 1) == ["unmute room ann", "tell room ann unmute"]


async def test_a_listener_who_gets_the_right_during_a_mute_gets_it_back_later(stage: Stage) -> None:
    stage.moderation.speaking -= {"ann"}
    stage.decide(stage.flagged())
    await stage.tick()
    await stage.tick()
    stage.moderation.speaking |= {"ann"}
    stage.actor.arrived("room", "ann")
    await asyncio.gather(*stage.actor._tasks)
    assert await stage.tick(MUTE + 1) == ["unmute room ann", "tell room ann unmute"]


async def test_a_person_without_the_right_gets_none_at_the_end(stage: Stage) -> None:
    stage.moderation.speaking -= {"ann"}
    case = stage.flagged()
    stage.decide(case)
    await stage.tick()
    assert await stage.tick(MUTE + 1) == []
    assert stage.states(case) == ["lifted"]


@pytest.mark.parametrize(
    ("fault", "detail"),
    [
        (AbsentError(), ABSENT),
        (aiohttp.ClientConnectionError(), "the LiveKit server did not do it: ClientConnectionError"),
        (TimeoutError(), "the LiveKit server did not do it: TimeoutError"),
    ],
)
async def test_an_action_is_tried_again_and_fails_at_last(stage: Stage, fault: Exception, detail: str) -> None:
    case = stage.flagged()
    decision = stage.decide(case)
    stage.moderation.fault = fault
    for _ in range(20):
        await stage.tick(2.9)
        assert stage.result(decision) is None
    for _ in range(5):
        await stage.tick(2.9)
    assert stage.result(decision) == ("failed", detail)
    assert (stage.states(case), stage.count("mute", "failed")) == (["failed"], 1)
    stage.moderation.fault = None
    assert await stage.tick(20) == []


async def test_a_person_who_reconnects_is_still_caught(stage: Stage) -> None:
    stage.decide(stage.flagged())
    stage.moderation.fault = AbsentError()
    assert await stage.tick() == []
    stage.moderation.fault = None
    assert await stage.tick(1) == ["mute room ann", "tell room ann mute"]


async def test_a_right_is_given_back_as_soon_as_the_server_answers(stage: Stage) -> None:
    case = stage.flagged()
    stage.decide(case)
    await stage.tick()
    stage.moderation.fault = TimeoutError()
    assert await stage.tick(MUTE + 1) == []
    assert (stage.states(case), stage.count("unmute", "failed")) == (["done"], 1)
    stage.moderation.fault = None
    assert await stage.tick(10) == ["unmute room ann", "tell room ann unmute"]


async def test_rooms_of_other_processes_are_left_alone(stage: Stage) -> None:
    case = stage.flagged()
    decision = stage.decide(case)
    stage.rooms.clear()
    assert await stage.tick(200) == []
    assert stage.result(decision) is None


async def test_a_mute_in_a_room_that_is_over_ends_in_the_store_only(stage: Stage) -> None:
    case = stage.flagged()
    stage.decide(case)
    await stage.tick()
    stage.rooms.clear()
    await stage.tick(MUTE + 30)
    assert stage.states(case) == ["done"]
    assert await stage.tick(31) == []
    assert stage.states(case) == ["lifted"]


async def test_actions_of_the_app_are_left_to_it(database: Database) -> None:
    stage = Stage(database, actions=["warn"])
    decision = stage.decide(stage.flagged())
    assert await stage.tick(1) == []
    assert stage.result(decision) is None


async def test_a_rule_acts_on_a_flag_at_once(database: Database) -> None:
    stage = Stage(database, rules=[ActionRule(action="mute", labels=("violence",))])
    stage.flagged("mild")
    case = stage.flagged("grave", suggestion="block", speaker="bo")
    assert await stage.tick(0.25) == ["mute room bo", "tell room bo mute"]
    assert await stage.tick(1) == []
    stage.dismiss(case)
    assert await stage.tick(1) == ["unmute room bo", "tell room bo unmute"]


async def test_a_rule_acts_on_flags_that_become_visible_late_but_not_on_old_ones(database: Database) -> None:
    stage = Stage(database, rules=[ActionRule(action="warn", suggestion="review")])
    await stage.tick()
    stage.now -= 5
    stage.flagged()
    assert await stage.tick(6) == ["tell room ann warn"]
    stage.flagged("b", speaker="bo")
    stage.now += 61
    stage.actor = stage.new_actor()
    assert await stage.tick() == []


async def test_the_action_of_a_rule_fails_at_last(database: Database) -> None:
    stage = Stage(database, rules=[ActionRule(action="remove")])
    case = stage.flagged(suggestion="block")
    stage.moderation.fault = AbsentError()
    for _ in range(12):
        await stage.tick(6)
    assert stage.states(case) == ["failed"]


async def test_an_erased_speaker_is_not_muted_for_ever(stage: Stage, tmp_path: Any) -> None:
    case = stage.flagged()
    stage.decide(case)
    await stage.tick()
    await stage.tick()
    with stage.database.write() as connection:
        erasure.delete_case(connection, EvidenceFolder(tmp_path), case)
    assert await stage.tick(1) == ["unmute room ann", "tell room ann unmute"]
    assert await stage.tick(1) == []


def test_every_action_is_counted_from_zero(stage: Stage) -> None:
    for action in (*get_args(Action), "unmute"):
        assert stage.count(action, "done") == stage.count(action, "failed") == 0


def flagged(**changes: Any) -> FlaggedSpeech:
    fields: dict[str, Any] = {"id": "f", "case": "c", "room": "lobby", "speaker": "ann", "stored_at": NOON}
    return FlaggedSpeech(**fields | {"suggestion": "review", "flagged": ("abuse", "hate")} | changes)


@pytest.mark.parametrize(
    ("rule", "suggestion", "matches"),
    [
        (ActionRule(action="mute"), "block", True),
        (ActionRule(action="mute"), "review", False),
        (ActionRule(action="mute", suggestion="review"), "review", True),
        (ActionRule(action="mute", suggestion="review"), "block", True),
        (ActionRule(action="mute", labels=("hate", "threat")), "block", True),
        (ActionRule(action="mute", labels=("threat",)), "block", False),
        (ActionRule(action="mute", labels=("hate",)), "review", False),
    ],
)
def test_a_rule_matches_by_suggestion_and_label(rule: ActionRule, suggestion: str, matches: bool) -> None:
    found = room_enforcement.ruled_action(flagged(suggestion=suggestion), [rule])
    assert (found is not None) is matches


@pytest.mark.parametrize(
    ("labels", "act", "label"),
    [
        ((), (), None),
        ((), ("abuse",), "abuse"),
        (("hate",), ("abuse",), None),
        (("abuse",), ("hate", "abuse"), "abuse"),
    ],
)
def test_a_rule_for_act_needs_a_label_that_is_fit_for_it(
    labels: tuple[str, ...], act: tuple[str, ...], label: str | None
) -> None:
    rule = ActionRule(action="mute", suggestion="act", labels=labels)
    found = room_enforcement.ruled_action(flagged(suggestion="block", act=act), [rule])
    assert (found and found.label) == label


def test_the_first_match_acts_and_says_for_which_label() -> None:
    given = [
        ActionRule(action="remove", labels=("threat",)),
        ActionRule(action="mute", suggestion="review", labels=("hate",)),
    ]
    found = room_enforcement.ruled_action(flagged(), [*given, ActionRule(action="close_room", suggestion="review")])
    assert found
    assert (found.id, found.case, found.room, found.speaker) == ("f", "c", "lobby", "ann")
    assert (found.action, found.label, found.asked_at, found.decided) == ("mute", "hate", NOON, False)
    assert room_enforcement.ruled_action(flagged(), []) is None
