"""The queue of escalated cases: who may decide them, and until when."""

import pytest

from pipeline.base.errors import Involved
from pipeline.review.accounts import skills
from pipeline.review.accounts.skills import Skills
from pipeline.review.cases import deciding, escalations, leases, queue, reachable_cases
from pipeline.review.cases.queue import QueueFilter
from pipeline.review.cases.ranking import Ranking
from pipeline.review.cases.values import Choice
from pipeline.review.database import Database
from pipeline.review.store import SqlReviewStore
from tests.builders import NOON, flag

HALF = 1_800.0


def escalated(database: Database, name: str, who: str, at: float, label: str = "abuse") -> str:
    store = SqlReviewStore(database, ranking=Ranking({"fraud": 2, "abuse": 1}))
    case = store.add([flag(name, speaker=name, flagged=(label,), hits=())], NOON)[0].case
    store.decide(case, who, Choice(verdict="escalate"), at)
    return case


def theirs(database: Database, account: str, after: tuple[float, str] | None = None, limit: int = 50) -> list[str]:
    with database.read() as connection:
        wanted = QueueFilter(reach=reachable_cases.of(connection, account, NOON))
        return [case.id for case in escalations.page(connection, wanted, HALF, after, limit)]


def test_only_people_with_the_right_decide_and_never_who_escalated(database: Database) -> None:
    case = escalated(database, "a", "ana", NOON)
    own = escalated(database, "b", "lea", NOON)
    assert (theirs(database, "ana"), theirs(database, "ben")) == ([], [])
    assert (theirs(database, "lea"), set(theirs(database, "ada"))) == ([case], {case, own})
    with database.write() as connection:
        with pytest.raises(Involved, match="ben may not decide such cases"):
            leases.claim(connection, case, "ben", NOON)
        with pytest.raises(Involved, match="ben may not decide such cases"):
            deciding.decide(connection, case, "ben", Choice(verdict="uphold"), NOON)
        skills.change_skills(connection, "ben", Skills(escalated=True), "lea", NOON)
        skills.change_skills(connection, "ana", Skills(escalated=True), "lea", NOON)
    assert (set(theirs(database, "ben")), theirs(database, "ana")) == ({case, own}, [own])
    with database.write() as connection:
        assert (
            queue.next_free(connection, "ana", NOON, QueueFilter(reach=reachable_cases.of(connection, "ana", NOON)))
            == own
        )
        deciding.decide(connection, case, "ben", Choice(verdict="uphold"), NOON)
    assert theirs(database, "lea") == []


def test_the_deadline_counts_from_the_escalation(database: Database) -> None:
    late = escalated(database, "late", "ana", NOON + 20)
    early = escalated(database, "early", "ana", NOON + 10)
    severe = escalated(database, "severe", "ana", NOON + 600, "fraud")
    assert theirs(database, "lea") == [severe, early, late]
    with database.read() as connection:
        wanted = QueueFilter(reach=reachable_cases.of(connection, "lea", NOON))
        first, second, _ = escalations.page(connection, wanted, HALF, None, 50)
        assert (first.due_at, second.due_at) == (NOON + 600 + HALF, NOON + 10 + HALF)
        state = escalations.count(connection, wanted, HALF, NOON + HALF + 15)
    assert (state.open, state.late) == (3, 1)
    assert theirs(database, "lea", first.place) == [early, late]
    assert theirs(database, "lea", first.place, 1) == [early]


def test_an_undone_escalation_leaves_the_queue(database: Database) -> None:
    case = escalated(database, "a", "ana", NOON)
    with database.write() as connection:
        [made] = deciding.last_of(connection, "ana", NOON)
        deciding.undo(connection, made.id, "ana", NOON + 1)
    assert theirs(database, "lea") == []
    with database.write() as connection:
        assert queue.next_free(connection, "ben", NOON) == case
