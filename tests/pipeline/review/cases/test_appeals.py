"""Appeals: who may lodge one, who may settle it, and the effects."""

import pytest
from sqlalchemy import select

from pipeline.base.errors import CaseError, Involved, Missing, Stale
from pipeline.contract.messages import Decision
from pipeline.review import audit_log
from pipeline.review.cases import appeals, deciding, reading, speaker_measures
from pipeline.review.cases.appeals import Appeal, Count
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.quality import quality_checks
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import ACCOUNTS, OUTBOX
from tests.builders import NOON, flag

UPHELD = Choice(verdict="uphold", reason="confirmed", action="mute")
OVERTURN = Choice(verdict="dismiss", reason="joke", note="heard the whole of it")
STAND = Choice(verdict="uphold", reason="confirmed")
LATER = NOON + 60


def decide(database: Database, choice: Choice = UPHELD, moderator: str = "ana") -> Decision:
    case = SqlReviewStore(database).add([flag("a", 0, 5)], NOON)[0].case
    with database.write() as connection:
        return deciding.decide(connection, case, moderator, choice, NOON)


def lodge(database: Database, case: str, at: float = LATER, appellant: str = "ann", text: str = "a joke") -> Appeal:
    with database.write() as connection:
        return appeals.lodge(connection, case, appellant, text, at, 10.0)[0]


def settle(database: Database, appeal: Appeal, reviewer: str, choice: Choice = OVERTURN) -> Decision:
    with database.write() as connection:
        return appeals.settle(connection, appeal.id, reviewer, choice, LATER + 5, 10.0)


def state(database: Database, appeal: Appeal) -> str:
    with database.read() as connection:
        return appeals.get_appeal(connection, appeal.id).state


def events(database: Database) -> list[tuple[str, str]]:
    with database.read() as connection:
        rows = connection.execute(select(OUTBOX.c.kind, OUTBOX.c.status).order_by(OUTBOX.c.created_at))
        return [(row.kind, row.status) for row in rows]


def test_overturning_a_decision_reverses_it_in_one_transaction(database: Database) -> None:
    first = decide(database)
    appeal = lodge(database, first.case)
    second = settle(database, appeal, "ben")
    with database.read() as connection:
        case = reading.case(connection, first.case)
        assert (case.status, case.verdict) == ("decided", "dismiss")
        assert speaker_measures.count_strikes(connection, ["ann"], 0) == {}
        [event] = connection.execute(select(OUTBOX).where(OUTBOX.c.kind == "appeal.overturned")).all()
        line = list(audit_log.all_lines(connection))[-1]
        assert appeals.settled(connection, NOON) == Count(1, 1)
    assert (event.payload["reverse"], event.payload["speaker"], event.payload["appeal"]) == ("mute", "ann", appeal.id)
    assert (event.payload["against"]["id"], event.payload["decision"]["id"]) == (first.id, second.id)
    assert event.payload["against"]["case"] == event.payload["decision"]["case"] == first.case
    assert event.send_at == second.at + 10
    assert (line.actor, line.action, line.subject) == ("ben", "appeal.settle", first.case)
    assert "heard" not in line.detail
    assert state(database, appeal) == "overturned"


def test_upholding_a_decision_keeps_it_and_stores_an_event(database: Database) -> None:
    appeal = lodge(database, decide(database).case)
    settle(database, appeal, "ben", STAND)
    with database.read() as connection:
        assert speaker_measures.count_strikes(connection, ["ann"], 0) == {"ann": 1}
        assert appeals.settled(connection, NOON) == Count(1, 0)
        assert appeals.list_open_appeals(connection) == []
        event = connection.execute(select(OUTBOX).where(OUTBOX.c.kind == "appeal.upheld")).one()
    assert event.payload["reverse"] is None
    assert state(database, appeal) == "upheld"


def test_the_first_decider_may_not_settle_the_appeal(database: Database) -> None:
    appeal = lodge(database, decide(database).case)
    with pytest.raises(Involved, match="ana has decided"):
        settle(database, appeal, "ana")
    assert state(database, appeal) == "open"


def test_people_with_an_escalation_or_an_undone_decision_may_not_settle_it(database: Database) -> None:
    case = decide(database, Choice(verdict="escalate"), "ben").case
    with database.write() as connection:
        undone = deciding.decide(connection, case, "ada", Choice(verdict="dismiss"), NOON + 1)
        deciding.undo(connection, undone.id, "ada", NOON + 2)
        deciding.decide(connection, case, "lea", UPHELD, NOON + 3)
    appeal = lodge(database, case)
    for involved in ("ben", "ada", "lea"):
        with pytest.raises(Involved):
            settle(database, appeal, involved)
    settle(database, appeal, "ana")


def test_the_person_of_a_second_opinion_may_not_settle_it(database: Database) -> None:
    case = decide(database).case
    copy = SqlReviewStore(database).add([flag("copy", 1_000, 1_005)], NOON)[0].case
    with database.write() as connection:
        quality_checks.record(connection, copy, "second", case, 0.05, NOON)
        deciding.decide(connection, copy, "ben", Choice(verdict="dismiss"), NOON + 5)
    appeal = lodge(database, case)
    with pytest.raises(Involved, match="ben has decided"):
        settle(database, appeal, "ben")
    with pytest.raises(Missing):
        lodge(database, copy)


def test_the_speaker_known_by_their_oidc_subject_may_not_settle_it(database: Database) -> None:
    appeal = lodge(database, decide(database).case)
    with database.write() as connection:
        subject = "https://id.example.org ann"
        connection.execute(ACCOUNTS.update().where(ACCOUNTS.c.name == "ben").values(oidc_subject=subject))
    with pytest.raises(Involved, match="ben is the speaker or a reporter"):
        settle(database, appeal, "ben")


def test_an_appeal_is_settled_once(database: Database) -> None:
    appeal = lodge(database, decide(database).case)
    settle(database, appeal, "ben")
    with pytest.raises(Stale, match="already settled"):
        settle(database, appeal, "lea", STAND)
    assert state(database, appeal) == "overturned"


@pytest.mark.parametrize("choice", [Choice(verdict="escalate"), Choice(verdict="uphold", action="remove")])
def test_an_escalation_or_an_action_does_not_settle_an_appeal(database: Database, choice: Choice) -> None:
    appeal = lodge(database, decide(database).case)
    with pytest.raises(CaseError, match="upheld or overturned"):
        settle(database, appeal, "ben", choice)


def test_an_undo_opens_the_appeal_again(database: Database) -> None:
    first = decide(database)
    appeal = lodge(database, first.case)
    second = settle(database, appeal, "ben")
    with database.write() as connection:
        [last] = deciding.last_of(connection, "ben", LATER)
        assert last.id == second.id
        deciding.undo(connection, second.id, "ben", LATER + 8)
    with database.read() as connection:
        assert reading.case(connection, first.case).verdict == "uphold"
        assert [found.id for found, _ in appeals.list_open_appeals(connection)] == [appeal.id]
        assert appeals.settled(connection, NOON) == Count(0, 0)
    assert events(database)[-1] == ("appeal.overturned", "withdrawn")
    settle(database, appeal, "lea", STAND)
    assert state(database, appeal) == "upheld"


def test_who_takes_a_settlement_back_can_settle_the_appeal_again(database: Database) -> None:
    appeal = lodge(database, decide(database).case)
    for n in range(2):
        made = settle(database, appeal, "ben")
        with database.write() as connection:
            deciding.undo(connection, made.id, "ben", LATER + n)
    settle(database, appeal, "ben", STAND)
    assert state(database, appeal) == "upheld"


def test_a_second_appeal_returns_the_first(database: Database) -> None:
    case = decide(database).case
    first = lodge(database, case)
    assert lodge(database, case, text="once more") == first
    settle(database, first, "ben", STAND)
    assert lodge(database, case).state == "upheld"


def test_other_people_cannot_appeal_or_learn_about_the_case(database: Database) -> None:
    case = decide(database).case
    with pytest.raises(Missing, match="of speaker bob"):
        lodge(database, case, appellant="bob")
    with pytest.raises(Missing):
        lodge(database, "0000")


def test_only_an_upheld_case_can_be_appealed(database: Database) -> None:
    case = decide(database, Choice(verdict="dismiss")).case
    with pytest.raises(CaseError, match="not upheld"):
        lodge(database, case)


def test_no_appeal_during_the_undo_window(database: Database) -> None:
    case = decide(database).case
    with pytest.raises(CaseError, match="can still undo the decision"):
        lodge(database, case, at=NOON + 10)
    lodge(database, case, at=NOON + 10.1)


def test_pages_of_appeals_oldest_first(database: Database) -> None:
    store = SqlReviewStore(database)
    for n in range(5):
        case = store.add([flag(str(n), n * 1_000, n * 1_000 + 5)], NOON)[0].case
        with database.write() as connection:
            deciding.decide(connection, case, "ana", UPHELD, NOON)
        lodge(database, case, at=LATER + 5 - n // 2)
    with database.read() as connection:
        assert appeals.open_count(connection) == 5
        every = [appeal for appeal, case in appeals.list_open_appeals(connection) if case.speaker == "ann"]
        first = appeals.list_open_appeals(connection, limit=2)
        rest = appeals.list_open_appeals(connection, (first[-1][0].created_at, first[-1][0].id))
    assert every == [appeal for appeal, _ in (*first, *rest)]
    assert [appeal.created_at for appeal in every] == sorted(appeal.created_at for appeal in every)
