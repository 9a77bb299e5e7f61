"""The app's confirmations of actions: one for each decision, and `done` is final."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.base.errors import CaseError, Missing
from pipeline.review import audit_log
from pipeline.review.cases import deciding
from pipeline.review.cases.values import Choice, Filters
from pipeline.review.database import Database
from pipeline.review.delivery import confirmations
from pipeline.review.delivery.confirmations import Confirmation
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.privacy import erasure
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.assessment_tables import ACTIONS
from tests.builders import NOON, flag


@pytest.fixture
def decision(database: Database) -> str:
    """The id of a decision that asks the app to mute."""
    [outcome] = SqlReviewStore(database).add([flag("a", 0, 5)], NOON + 6)
    with database.write() as connection:
        return deciding.decide(connection, outcome.case, "ana", Choice(verdict="uphold", action="mute"), NOON + 9).id


def confirmed(database: Database, decision: str, **changes: Any) -> tuple[Confirmation, bool]:
    fields: dict[str, Any] = {"decision": decision, "action": "mute", "result": "done", "at": NOON + 10}
    with database.write() as connection:
        return confirmations.confirm(connection, Confirmation(**fields | {"received_at": NOON + 11} | changes))


def test_a_confirmation_is_stored_once_and_in_the_audit_log(database: Database, decision: str) -> None:
    first, new = confirmed(database, decision)
    second, again = confirmed(database, decision, at=NOON + 20)
    assert (first, new, again) == (second, True, False)
    with database.read() as connection:
        assert confirmations.confirmation_of(connection, decision) == first
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
        assert confirmations.confirmation_of(connection, decision) is None


def test_a_deleted_case_takes_its_confirmation_along(database: Database, decision: str, tmp_path: Path) -> None:
    confirmed(database, decision)
    [case] = SqlReviewStore(database).cases(Filters())
    with database.write() as connection:
        erasure.delete_case(connection, EvidenceFolder(tmp_path), case.id)
        assert connection.execute(select(ACTIONS)).all() == []
