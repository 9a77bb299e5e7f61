"""Leads give cases to people, and each case is offered to the right person."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from pipeline.base.errors import CaseError, Involved, Taken
from pipeline.review import audit_log
from pipeline.review.accounts import accounts, presence, wellness
from pipeline.review.accounts.accounts import ViewingLimits
from pipeline.review.cases import assigning, case_queue, deciding, eligibility, leases
from pipeline.review.cases.assigning import MOST_MOVED, Move
from pipeline.review.cases.case_queue import QueueFilter, Ranking
from pipeline.review.cases.case_values import Choice
from pipeline.review.cases.eligibility import Skills
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag
from tests.pipeline.review.people import sit_down

HOUR = 3_600.0
RANKING = Ranking({"minor_safety": 3, "terror_extremism": 3, "fraud": 2, "abuse": 1})


def stored(database: Database, count: int, prefix: str = "", **changes: Any) -> list[str]:
    """Store cases of the same severity, one second apart. Return their ids in the order of the queue."""
    flags = [flag(f"{prefix}{n}", speaker=f"{prefix}{n}", hits=(), **changes) for n in range(count)]
    store = SqlReviewStore(database, ranking=RANKING)
    return [store.add([each], NOON + n)[0].case for n, each in enumerate(flags)]


def move(database: Database, cases: list[str], account: str, at: float = NOON + 100, seconds: float = HOUR) -> Move:
    with database.write() as connection:
        return assigning.move(connection, cases, account, "lea", "workload", at, seconds)


def candidates(database: Database, account: str, limit: int = MOST_MOVED, **wanted: Any) -> list[str]:
    with database.read() as connection:
        return assigning.candidates(connection, account, QueueFilter(**wanted), NOON + 100, limit)


def offered(database: Database, account: str, at: float = NOON + 100) -> str | None:
    with database.write() as connection:
        wanted = QueueFilter(eligibility=eligibility.eligibility_of(connection, account, at))
        return case_queue.next_free(connection, account, at, wanted)


def claim(database: Database, case: str, account: str, at: float = NOON + 100) -> None:
    with database.write() as connection:
        leases.claim(connection, case, account, at)


def owner(database: Database, case: str) -> str | None:
    with database.read() as connection:
        found = assigning.assignment_of(connection, case)
    return found.account if found else None


def test_the_oldest_cases_of_a_filter_go_to_one_person_who_gets_them_first(database: Database) -> None:
    urgent = stored(database, 1, "urgent", flagged=("terror_extremism",), suggestion="block")
    fraud = stored(database, 3, "fraud", flagged=("fraud",))
    sit_down(database, "ana", "ben", at=NOON + 100)
    assert candidates(database, "ana", 2, label="fraud") == fraud[:2]
    made = move(database, candidates(database, "ana", 2, label="fraud"), "ana")
    assert sorted(made.cases) == sorted(fraud[:2])
    assert offered(database, "ana") == fraud[0]
    assert offered(database, "ben") == urgent[0]
    assert candidates(database, "ana", label="fraud") == fraud[2:]
    with database.read() as connection:
        people = {one.name: one for one in assigning.people(connection, NOON + 100)}
    assert [(one.presence, one.assigned) for one in people.values()] == [
        ("away", 0),
        ("here", 2),
        ("here", 0),
        ("away", 0),
    ]


def test_a_reserved_case_is_refused_to_others(database: Database) -> None:
    [case] = stored(database, 1)
    sit_down(database, "ana", "ben", at=NOON + 100)
    move(database, [case], "ana")
    with pytest.raises(Taken, match=f"Case {case} is assigned to ana"):
        claim(database, case, "ben")
    assert offered(database, "ben") is None
    claim(database, case, "ana")


@pytest.mark.parametrize("why", ["time is over", "closed the page", "takes a break"])
def test_others_get_an_assigned_case_when_its_person_does_not_take_it(database: Database, why: str) -> None:
    [case] = stored(database, 1)
    sit_down(database, "ana", "ben", at=NOON + 100)
    move(database, [case], "ana", seconds=10.0 if why == "time is over" else HOUR)
    at = NOON + (100 + 10 if why == "time is over" else 100)
    with database.write() as connection:
        names = ["ben"] if why == "closed the page" else ["ana", "ben"]
        presence.note_presence(connection, names, at + (70 if why == "closed the page" else 0))
        if why == "takes a break":
            wellness.start_break(connection, "ana", at)
    at += 70 if why == "closed the page" else 0
    assert offered(database, "ben", at) == case
    claim(database, case, "ben", at)
    assert owner(database, case) == "ana"


def test_one_undo_gives_the_cases_back_to_whoever_had_them(database: Database) -> None:
    first, second, third = stored(database, 3)
    move(database, [first], "ben")
    made = move(database, [first, second, third], "ana")
    move(database, [third], "ben")
    with database.write() as connection:
        back = assigning.undo(connection, made.id, "lea", NOON + 110)
        with pytest.raises(CaseError, match="nothing to take back"):
            assigning.undo(connection, made.id, "lea", NOON + 111)
    assert back == sorted([first, second])
    assert [owner(database, case) for case in (first, second, third)] == ["ben", None, "ben"]


def test_each_moved_case_has_its_line_in_the_audit_log(database: Database) -> None:
    cases = stored(database, 2)
    made = move(database, cases, "ana")
    with database.write() as connection:
        assigning.undo(connection, made.id, "lea", NOON + 110)
        for case in cases:
            back, given = audit_log.newest_lines(connection, actor="lea", subject=case)
            assert (given.action, back.action) == ("case.assign", "case.unassign")
            assert msgspec.json.decode(given.detail) == {"to": "ana", "reason": "workload", "move": made.id}


def test_who_cannot_decide_gets_no_case(database: Database) -> None:
    cases = stored(database, 1)
    with database.write() as connection:
        accounts.change_account(connection, "ben", NOON, "ada", disabled=True)
    for name in ("aud", "ben", "nobody"):
        with pytest.raises(CaseError, match="decides no cases"):
            move(database, cases, name)
    with database.read() as connection:
        assert [one.name for one in assigning.people(connection, NOON)] == ["ada", "ana", "lea"]


def test_a_move_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = stored(database, 3)
    monkeypatch.setattr(assigning, "MOST_ASSIGNED", 2)
    with pytest.raises(CaseError, match="too many cases"):
        move(database, cases, "ana")
    move(database, cases[:2], "ana")
    with pytest.raises(CaseError, match="too many cases"):
        move(database, cases[2:], "ana")


def test_held_decided_and_unfit_cases_are_no_candidates(database: Database) -> None:
    held, decided, escalated, zh, free = stored(database, 5)
    stored(database, 1, "en", language="en")
    with database.write() as connection:
        leases.claim(connection, held, "ben", NOON + 90)
        deciding.decide(connection, decided, "ben", Choice(verdict="dismiss"), NOON + 90)
        deciding.decide(connection, escalated, "ben", Choice(verdict="escalate"), NOON + 90)
        eligibility.change_skills(connection, "ana", Skills(languages=("zh",)), "lea", NOON)
    assert candidates(database, "ana") == [zh, free]
    assert escalated in candidates(database, "lea")
    assert move(database, [decided, zh], "ana").cases == (zh,)


def test_a_lead_does_not_learn_which_labels_a_person_declines(database: Database) -> None:
    """The case counts as assigned, but other people get it at once."""
    fraud, other = stored(database, 1, "f", flagged=("fraud",)), stored(database, 1, "o", flagged=("abuse",))
    sit_down(database, "ana", "ben", at=NOON + 100)
    with database.write() as connection:
        preferences = accounts.Preferences(comfort=ViewingLimits(without=("fraud",)))
        accounts.store_preferences(connection, "ana", preferences)
    assert candidates(database, "ana") == [*fraud, *other]
    assert set(move(database, [*fraud, *other], "ana").cases) == {*fraud, *other}
    assert owner(database, fraud[0]) == "ana"
    assert offered(database, "ben") == fraud[0]


def test_an_assignment_follows_a_merged_case(database: Database) -> None:
    store = SqlReviewStore(database, ranking=RANKING)
    first, second = (store.add([one], one.end)[0].case for one in (flag("a", 0, 5), flag("b", 10, 15)))
    move(database, [second], "ana")
    store.add([flag("between", 4, 11)], NOON + 200)
    assert owner(database, first) == "ana"


def test_news_about_assignments(database: Database) -> None:
    case, other = stored(database, 2)
    made = move(database, [case], "ana", NOON + 100)
    move(database, [other], "ben", NOON + 200)
    with database.write() as connection:
        assert [one.account for one in assigning.since(connection, NOON + 150)] == ["ben"]
        assigning.undo(connection, made.id, "lea", NOON + 300)
        assert [(one.case, one.account) for one in assigning.since(connection, NOON + 150)] == [
            (case, None),
            (other, "ben"),
        ]


def test_four_people_get_each_case_once_and_none_outside_their_skills(database: Database) -> None:
    """Ana has a third of the cases, and does not work; ben knows only fraud, lea only Chinese, ada all."""
    flags = [
        flag(str(n), speaker=str(n), hits=(), language=("zh", "en")[n % 2], flagged=(("fraud", "abuse")[n // 2 % 2],))
        for n in range(36)
    ]
    store = SqlReviewStore(database, ranking=RANKING)
    cases = {outcome.case: each for each, outcome in zip(flags, store.add(flags, NOON), strict=True)}
    has = {"ben": Skills(labels=("fraud",)), "lea": Skills(languages=("zh",)), "ana": Skills(severity=1)}
    sit_down(database, "ana", "ben", "lea", "ada", at=NOON + 100)
    with database.write() as connection:
        for name, one in has.items():
            eligibility.change_skills(connection, name, one, "lea", NOON)
    moved = move(database, candidates(database, "ana", 6), "ana").cases
    assert {cases[case].flagged for case in moved} == {("abuse",)}

    def work(account: str) -> list[str]:
        mine: list[str] = []
        while True:
            with database.write() as connection:
                wanted = QueueFilter(eligibility=eligibility.eligibility_of(connection, account, NOON + 100))
                case = case_queue.next_free(connection, account, NOON + 100, wanted)
                if case is None:
                    return mine
                try:
                    leases.claim(connection, case, account, NOON + 100)
                except Taken:  # another moderator was faster
                    continue
                deciding.decide(connection, case, account, Choice(verdict="dismiss"), NOON + 100)
                mine.append(case)

    with ThreadPoolExecutor(4) as pool:
        done = dict(zip(("ana", "ben", "lea", "ada"), pool.map(work, ("ana", "ben", "lea", "ada")), strict=True))
    assert Counter(case for theirs in done.values() for case in theirs) == Counter(cases.keys())
    assert set(moved) <= set(done["ana"])
    assert {cases[case].flagged for case in done["ana"]} == {("abuse",)}
    assert {cases[case].flagged for case in done["ben"]} <= {("fraud",)}
    assert {cases[case].language for case in done["lea"]} <= {"zh"}


def test_a_case_outside_the_skills_is_refused(database: Database) -> None:
    [case] = stored(database, 1)
    with database.write() as connection:
        eligibility.change_skills(connection, "ana", Skills(languages=("en",)), "lea", NOON)
    with pytest.raises(Involved, match="outside the skills of ana"):
        claim(database, case, "ana")
    assert offered(database, "ana") is None


def test_similar_cases_are_those_that_the_person_may_get(database: Database) -> None:
    cases = stored(database, 3)
    sit_down(database, "ana", "ben", at=NOON + 100)
    move(database, cases[:1], "ben")
    with database.read() as connection:
        this = SqlReviewStore(database).case(cases[1]).case
        found = [case.id for case in case_queue.like(connection, this, "room", "ana", NOON + 100, 200)]
    assert found == cases[1:]
