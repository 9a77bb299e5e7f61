"""The effects of a decision and of its undo."""

import pytest
from sqlalchemy import select

from pipeline.base.errors import CaseError, Involved, Stale
from pipeline.contract.messages import Decision
from pipeline.review import audit_log
from pipeline.review.cases import case_queue, deciding, leases, reading, speaker_measures
from pipeline.review.cases.case_values import Choice, Filters
from pipeline.review.database import Database
from pipeline.review.delivery import event_outbox
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import OUTBOX
from tests.builders import NOON, flag

UPHOLD = Choice(verdict="uphold", reason="confirmed", action="mute")


@pytest.fixture
def case(database: Database) -> str:
    return SqlReviewStore(database).add([flag("a", 0, 5)], NOON)[0].case


def decide(database: Database, case: str, choice: Choice = UPHOLD, at: float = NOON, version: int = 1) -> Decision:
    with database.write() as connection:
        return deciding.decide(connection, case, "ana", choice, at, version=version)


def undo(database: Database, decision: Decision, at: float, moderator: str = "ana") -> None:
    with database.write() as connection:
        deciding.undo(connection, decision.id, moderator, at)


def events(database: Database) -> list[tuple[str, str]]:
    with database.read() as connection:
        rows = connection.execute(select(OUTBOX.c.kind, OUTBOX.c.status).order_by(OUTBOX.c.created_at)).all()
    return [(row.kind, row.status) for row in rows]


def test_an_upheld_case_leaves_the_queue_and_gives_a_strike_and_an_event(database: Database, case: str) -> None:
    decision = decide(database, case)
    with database.read() as connection:
        assert case_queue.list_queue(connection) == []
        assert speaker_measures.count_strikes(connection, ["ann", "bob"], 0) == {"ann": 1}
        [event] = connection.execute(select(OUTBOX)).all()
    assert (event.kind, event.status, event.send_at) == ("case.decided", "waiting", NOON + 10)
    sent = event.payload["decision"]
    assert (sent["id"], sent["case"], sent["verdict"], sent["action"]) == (decision.id, case, "uphold", "mute")
    assert sent.keys() == set(Decision.__struct_fields__), "names of the contract, not of columns"
    assert event.payload["speaker"] == "ann"
    assert decision.reason == "confirmed"


def test_an_undo_leaves_only_a_record_of_the_decision(database: Database, case: str) -> None:
    decision = decide(database, case)
    undo(database, decision, NOON + 9)
    file = SqlReviewStore(database).case(case)
    assert (file.case.status, file.case.verdict) == ("pending", None)
    assert [one.undone for one in file.decisions] == [NOON + 9]
    assert events(database) == [("case.decided", "withdrawn")]
    with database.read() as connection:
        assert speaker_measures.count_strikes(connection, ["ann"], 0) == {}
        assert [line.action for line in audit_log.all_lines(connection, after=5)] == ["case.decide", "case.undo"]


def test_the_same_decision_can_be_made_again_after_an_undo(database: Database, case: str) -> None:
    undo(database, decide(database, case), NOON + 1)
    again = decide(database, case, at=NOON + 2, version=3)
    assert again.undone is None
    assert SqlReviewStore(database).cases(Filters())[0].status == "decided"


def test_undoing_an_escalation_makes_it_pending_again(database: Database, case: str) -> None:
    undo(database, decide(database, case, Choice(verdict="escalate")), NOON + 1)
    assert SqlReviewStore(database).cases(Filters())[0].status == "pending"


def test_a_moderator_cannot_decide_a_case_that_they_escalated(database: Database, case: str) -> None:
    escalate = Choice(verdict="escalate")
    first = decide(database, case, escalate)
    assert decide(database, case, escalate) == first, "the same decision was sent twice"
    with database.write() as connection:
        found = reading.case(connection, case)
        for account, offered in (("ana", []), ("lea", [case])):
            assert case_queue.next_free(connection, account, NOON) == (offered[0] if offered else None)
            assert [one.id for one in case_queue.like(connection, found, "speaker", account, NOON, 5)] == offered
        with pytest.raises(Involved, match="ana has escalated"):
            leases.claim(connection, case, "ana", NOON)
    with pytest.raises(Involved, match="ana has escalated"):
        decide(database, case, version=2)
    undo(database, first, NOON + 1)
    assert decide(database, case, at=NOON + 2, version=3).verdict == "uphold"


def test_a_lead_decides_an_escalated_case(database: Database, case: str) -> None:
    decide(database, case, Choice(verdict="escalate"))
    with database.write() as connection:
        deciding.decide(connection, case, "lea", UPHOLD, NOON + 1)
    assert SqlReviewStore(database).case(case).case.verdict == "uphold"


@pytest.mark.parametrize(("at", "moderator"), [(NOON + 11, "ana"), (NOON + 1, "ben")])
def test_no_undo_after_the_window_or_by_another_moderator(
    database: Database, case: str, at: float, moderator: str
) -> None:
    decision = decide(database, case)
    with pytest.raises(CaseError):
        undo(database, decision, at, moderator)
    assert events(database) == [("case.decided", "waiting")]


def test_withdrawing_an_event_in_sending_stores_a_second_one(database: Database, case: str) -> None:
    decision = decide(database, case)
    with database.write() as connection:
        connection.execute(OUTBOX.update().values(status="sending"))
        event_outbox.withdraw(connection, decision.id, NOON + 1)
    assert events(database) == [("case.decided", "sending"), ("case.undone", "waiting")]


def test_a_decision_on_an_old_version_is_refused(database: Database, case: str) -> None:
    SqlReviewStore(database).add([flag("b", 4, 8)], NOON)
    with pytest.raises(Stale, match="has changed"):
        decide(database, case)
    assert decide(database, case, version=2).verdict == "uphold"


def test_an_action_needs_the_verdict_uphold(database: Database, case: str) -> None:
    with pytest.raises(CaseError, match="needs the verdict uphold"):
        decide(database, case, Choice(verdict="dismiss", action="mute"))


def test_last_of_returns_the_newest_decision(database: Database, case: str) -> None:
    decision = decide(database, case)
    with database.read() as connection:
        assert deciding.last_of(connection, "ana", NOON - 1) == [decision]
        assert deciding.last_of(connection, "ana", NOON + 1) == []
        assert deciding.last_of(connection, "ben", NOON - 1) == []
