"""Actions that Voxwarden carries out itself: what waits, what is in force, and what the case tells of it."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from pipeline.base.errors import CaseError, Missing
from pipeline.contract.messages import Action, Decision
from pipeline.review import audit_log
from pipeline.review.cases import deciding, reading
from pipeline.review.cases.case_values import Choice, Filters
from pipeline.review.database import Database
from pipeline.review.delivery import enforcements
from pipeline.review.delivery.enforcements import Confirmation, Enforcement, Mute
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.privacy import erasure
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.assessment_tables import ACTIONS
from pipeline.review.tables.case_tables import ENFORCEMENTS
from tests.builders import NOON, flag

SAVED = {"can_publish": True}


@pytest.fixture
def case(database: Database) -> str:
    [outcome] = SqlReviewStore(database).add([flag("a", 0, 5)], NOON + 6)
    return outcome.case


def decide(database: Database, case: str, action: Action | None = "mute", **changes: Any) -> Decision:
    choice = Choice(verdict="uphold", action=action)
    with database.write() as connection:
        return deciding.decide(connection, case, "ana", msgspec.structs.replace(choice, **changes), NOON + 9)


def undo(database: Database, decision: str) -> None:
    with database.write() as connection:
        deciding.undo(connection, decision, "ana", NOON + 12)


def asked(database: Database, since: float = NOON) -> list[Enforcement]:
    with database.read() as connection:
        return enforcements.waiting_actions(connection, since)


def mutes(database: Database) -> list[Mute]:
    with database.read() as connection:
        return enforcements.mutes(connection)


def settle(database: Database, given: Enforcement, **changes: Any) -> None:
    with database.write() as connection:
        enforcements.settle(connection, given, NOON + 10, **changes)


def plan(database: Database, given: Enforcement, until: float = NOON + 600) -> None:
    with database.write() as connection:
        enforcements.plan(connection, given, NOON + 10, until, SAVED)


def muted(database: Database, case: str) -> Decision:
    decision = decide(database, case)
    plan(database, asked(database)[0])
    settle(database, asked(database)[0], until=NOON + 600)
    return decision


def shown(database: Database, case: str) -> list[str]:
    with database.read() as connection:
        return [one.state for one in enforcements.of_case(connection, case)]


def ruled(database: Database) -> Enforcement:
    """The action of a rule on the only flag."""
    with database.read() as connection:
        [found] = enforcements.flagged(connection, NOON)
    return Enforcement(
        id=found.id,
        case=found.case,
        room=found.room,
        speaker=found.speaker,
        action="mute",
        label=found.flagged[0],
        asked_at=found.stored_at,
        decided=False,
    )


def test_the_action_of_a_decision_waits_until_it_is_settled(database: Database, case: str) -> None:
    decision = decide(database, case, label="hate")
    [found] = asked(database)
    assert (found.id, found.case, found.room, found.speaker) == (decision.id, case, "room", "ann")
    assert (found.action, found.label, found.asked_at, found.decided) == ("mute", "hate", NOON + 9, True)
    assert asked(database, NOON + 10) == []
    settle(database, found, until=NOON + 600)
    assert asked(database) == []


@pytest.mark.parametrize("result", ["done", "failed"])
def test_an_action_that_the_app_confirmed_does_not_wait(database: Database, case: str, result: Any) -> None:
    decision = decide(database, case)
    given = Confirmation(decision=decision.id, action="mute", result=result, at=NOON + 10, received_at=NOON + 10)
    with database.write() as connection:
        enforcements.confirm(connection, given)
    assert asked(database) == []


def test_no_action_no_wait(database: Database, case: str) -> None:
    decide(database, case, action=None)
    assert asked(database) == []


def test_an_undone_decision_does_not_wait(database: Database, case: str) -> None:
    undo(database, decide(database, case).id)
    assert asked(database) == []


def test_the_result_is_confirmed_into_the_case(database: Database, case: str) -> None:
    decision = decide(database, case, action="warn")
    settle(database, asked(database)[0], failure="the speaker is not in the room")
    with database.read() as connection:
        held = enforcements.confirmation_of(connection, decision.id)
        [line] = [line for line in audit_log.all_lines(connection) if line.action == "action.failed"]
        [one] = enforcements.of_case(connection, case)
    assert held
    assert (held.action, held.result, held.at, held.detail) == (
        "warn",
        "failed",
        NOON + 10,
        "the speaker is not in the room",
    )
    assert (line.actor, line.subject) == ("livekit", case)
    assert (one.action, one.state, one.at, one.until, one.decided) == (
        "warn",
        "failed",
        NOON + 10,
        None,
        True,
    )


def test_a_second_process_settles_nothing(database: Database, case: str) -> None:
    decide(database, case)
    [found] = asked(database)
    settle(database, found, until=NOON + 600)
    settle(database, found, failure="too late")
    plan(database, found)
    [mute] = mutes(database)
    assert mute.permission is None
    assert shown(database, case) == ["done"]


def test_a_planned_mute_keeps_what_to_give_back(database: Database, case: str) -> None:
    """The process dies after the plan, and tries again."""
    decide(database, case)
    [found] = asked(database)
    plan(database, found)
    plan(database, found, NOON + 900)
    assert asked(database) == [found]
    assert [(mute.until, mute.permission) for mute in mutes(database)] == [(NOON + 600, SAVED)]
    assert shown(database, case) == []
    settle(database, found, until=NOON + 700)
    assert asked(database) == []
    assert [(mute.until, mute.permission) for mute in mutes(database)] == [(NOON + 700, SAVED)]
    assert shown(database, case) == ["done"]


def test_a_mute_is_in_force_until_its_decision_is_undone(database: Database, case: str) -> None:
    decision = muted(database, case)
    [mute] = mutes(database)
    assert (mute.id, mute.case, mute.room, mute.speaker) == (decision.id, case, "room", "ann")
    assert (mute.until, mute.permission, mute.ending) == (NOON + 600, SAVED, None)
    undo(database, decision.id)
    [mute] = mutes(database)
    assert mute.ending == "undone"
    with database.write() as connection:
        enforcements.lift(connection, mute, "undone", NOON + 13)
        enforcements.lift(connection, mute, "undone", NOON + 14)
    assert mutes(database) == []
    with database.read() as connection:
        assert [line.action for line in audit_log.all_lines(connection)].count("action.lifted") == 1
    assert shown(database, case) == ["lifted"]


def test_a_later_decision_ends_a_mute(database: Database, case: str) -> None:
    """An appeal was successful."""
    muted(database, case)
    with database.write() as connection:
        found = reading.case(connection, case, lock=True)
        deciding.add_decision(connection, found, "bo", Choice(verdict="dismiss"), NOON + 100)
    [mute] = mutes(database)
    assert mute.ending == "overturned"


def test_a_rule_acts_on_a_flag_and_a_dismissal_ends_its_mute(database: Database, case: str) -> None:
    given = ruled(database)
    plan(database, given)
    settle(database, given, until=NOON + 600)
    with database.read() as connection:
        assert enforcements.flagged(connection, NOON) == []
        [line] = [line for line in audit_log.all_lines(connection) if line.action == "action.done"]
        assert [one.decided for one in enforcements.of_case(connection, case)] == [False]
    assert (line.actor, line.subject) == ("livekit", case)
    assert [mute.ending for mute in mutes(database)] == [None]
    decide(database, case, action=None)
    assert [mute.ending for mute in mutes(database)] == [None]
    with database.write() as connection:
        found = reading.case(connection, case, lock=True)
        deciding.add_decision(connection, found, "bo", Choice(verdict="dismiss"), NOON + 100)
    assert [mute.ending for mute in mutes(database)] == ["overturned"]


def test_rules_see_no_drill_and_nothing_that_passed(database: Database) -> None:
    store = SqlReviewStore(database)
    store.add([flag("a", 0, 5, drill="d"), flag("b", 20, 25, suggestion="pass", room="other")], NOON + 6, drawn={"b"})
    with database.read() as connection:
        assert enforcements.flagged(connection, NOON) == []


def test_what_is_given_back_can_become_known_later(database: Database, case: str) -> None:
    decide(database, case)
    settle(database, asked(database)[0], until=NOON + 600)
    [mute] = mutes(database)
    assert mute.permission is None
    with database.write() as connection:
        enforcements.keep_permission(connection, mute, SAVED)
    assert [mute.permission for mute in mutes(database)] == [SAVED]


def test_erasure_deletes_the_actions(database: Database, case: str, tmp_path: Path) -> None:
    given = ruled(database)
    settle(database, given)
    muted(database, case)
    with database.write() as connection:
        erasure.delete_case(connection, EvidenceFolder(tmp_path), case)
        assert connection.scalar(select(func.count()).select_from(ENFORCEMENTS)) == 0
    plan(database, given)
    settle(database, given)
    assert shown(database, case) == []


@pytest.fixture
def decision(database: Database) -> str:
    """The id of a decision that asks the app to mute."""
    [outcome] = SqlReviewStore(database).add([flag("a", 0, 5)], NOON + 6)
    with database.write() as connection:
        return deciding.decide(connection, outcome.case, "ana", Choice(verdict="uphold", action="mute"), NOON + 9).id


def confirmed(database: Database, decision: str, **changes: Any) -> tuple[Confirmation, bool]:
    fields: dict[str, Any] = {"decision": decision, "action": "mute", "result": "done", "at": NOON + 10}
    with database.write() as connection:
        return enforcements.confirm(connection, Confirmation(**fields | {"received_at": NOON + 11} | changes))


def test_a_confirmation_is_stored_once_and_in_the_audit_log(database: Database, decision: str) -> None:
    first, new = confirmed(database, decision)
    second, again = confirmed(database, decision, at=NOON + 20)
    assert (first, new, again) == (second, True, False)
    with database.read() as connection:
        assert enforcements.confirmation_of(connection, decision) == first
        assert [line.action for line in audit_log.all_lines(connection)].count("action.done") == 1


def test_a_failure_can_still_succeed_but_a_success_stays(database: Database, decision: str) -> None:
    assert confirmed(database, decision, result="failed", detail="no such room")[1]
    assert not confirmed(database, decision, result="failed")[1]
    assert confirmed(database, decision)[1]
    held, new = confirmed(database, decision, result="failed")
    assert (held.result, held.detail, new) == ("done", "", False)


def test_only_the_action_of_the_decision_can_be_confirmed(database: Database, decision: str) -> None:
    with pytest.raises(CaseError, match="asks for mute, not warn"):
        confirmed(database, decision, action="warn")
    with pytest.raises(Missing, match="no decision 0"):
        confirmed(database, "0")
    with database.read() as connection:
        assert enforcements.confirmation_of(connection, decision) is None


def test_a_deleted_case_takes_its_confirmation_along(database: Database, decision: str, tmp_path: Path) -> None:
    confirmed(database, decision)
    [case] = SqlReviewStore(database).cases(Filters())
    with database.write() as connection:
        erasure.delete_case(connection, EvidenceFolder(tmp_path), case.id)
        assert connection.execute(select(ACTIONS)).all() == []
