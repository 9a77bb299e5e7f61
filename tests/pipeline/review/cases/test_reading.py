"""Reads of the store: what they contain, in which order, and what they leave out."""

from pathlib import Path

import pytest
from sqlalchemy import insert, select

from pipeline.base.errors import Missing
from pipeline.contract.messages import Verdict
from pipeline.review.cases import deciding, reading
from pipeline.review.cases.case_values import Choice, Evidence, Filters, check_storable
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.quality import drawing
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import CASES
from tests.builders import NOON, flag


def stored(database: Database, name: str = "a", at: float = NOON, **changes: object) -> str:
    return SqlReviewStore(database).add([flag(name, 0, 5, **changes)], at)[0].case


def decide(database: Database, case: str, who: str, at: float, verdict: Verdict = "uphold") -> str:
    with database.write() as connection:
        return deciding.decide(connection, case, who, Choice(verdict=verdict), at).id


def listed(database: Database, filters: Filters, after: tuple[float, str] | None = None) -> list[str]:
    with database.read() as connection:
        return [case.id for case in reading.cases(connection, filters, after, 50)]


def test_cases_are_listed_newest_first_without_copies(database: Database, tmp_path: Path) -> None:
    old, new = stored(database, "a"), stored(database, "b", NOON + 1, room="other")
    with database.write() as connection:
        copy = drawing.copy(connection, EvidenceFolder(tmp_path), "second", old, "any", 1.0, NOON + 2)
        assert copy is not None
        assert reading.case(connection, copy).text == reading.case(connection, old).text
    assert listed(database, Filters()) == [new, old]
    assert listed(database, Filters(), after=(NOON + 1, new)) == [old]
    assert listed(database, Filters(), after=(NOON, old)) == []
    assert listed(database, Filters(since=NOON + 1)) == [new]
    assert listed(database, Filters(since=NOON + 1, room="room")) == []


@pytest.mark.parametrize("lock", [False, True])
def test_an_unknown_id_is_missing(database: Database, lock: bool) -> None:
    identity = stored(database)
    with database.write() as connection:
        assert reading.case(connection, identity, lock).id == identity
        for wrong in ("", "nil", identity[:-1], "%"):
            with pytest.raises(Missing, match="There is no case"):
                reading.case(connection, wrong, lock)


def test_flags_come_by_time_and_linked_ones_apart(database: Database) -> None:
    store = SqlReviewStore(database)
    case = store.add([flag("late", 4, 8), flag("early", 0, 5)], NOON)[0].case
    decide(database, case, "ana", NOON + 60)
    assert store.add([flag("again", 0.1, 7.9)], NOON + 61)[0].result == "linked"
    with database.read() as connection:
        assert [one.id for one in reading.flags(connection, case)] == ["early", "late"]
        assert [one.id for one in reading.flags(connection, case, linked=True)] == ["again"]
        file = reading.case_file(connection, case)
    assert ([one.id for one in file.flags], [one.id for one in file.linked]) == (["early", "late"], ["again"])
    assert file.flags[0] == flag("early", 0, 5)


def test_the_name_of_a_nul_character_is_stored_as_it_is(database: Database) -> None:
    odd = flag("odd", 0, 5, text="\\u0000", reasons=("\\u0000",), hits=())
    check_storable(odd)
    case = SqlReviewStore(database).add([odd], NOON)[0].case
    with database.read() as connection:
        assert reading.flags(connection, case) == (odd,)


def test_the_clip_and_the_decisions_of_a_case_are_its_own(database: Database) -> None:
    store = SqlReviewStore(database)
    cases = [stored(database, name, room=name) for name in "ab"]
    for case in cases:
        clip = Evidence(path=f"{case}.ogg", case=case, start=NOON, end=NOON + 5, seconds=5, bytes=1, sha256="00")
        store.attach(clip)
        first = decide(database, case, "ana", NOON + 1, "escalate")
        second = decide(database, case, "lea", NOON + 2)
        with database.read() as connection:
            assert reading.evidence(connection, case) == (clip,)
            assert [one.id for one in reading.decisions(connection, case)] == [first, second]


def test_decisions_since_a_time_contain_later_undos_of_earlier_ones(database: Database) -> None:
    def since(at: float) -> list[str]:
        with database.read() as connection:
            return [one.id for one in reading.decisions_since(connection, at)]

    first, second, third = (stored(database, name, room=name) for name in "abc")
    kept = decide(database, first, "ana", NOON)
    undone = decide(database, second, "ana", NOON + 1)
    with database.write() as connection:
        deciding.undo(connection, undone, "ana", NOON + 8)
    last = decide(database, third, "ana", NOON + 9)
    assert since(NOON) == [kept, undone, last]
    assert since(NOON + 0.5) == since(NOON + 8) == [undone, last]
    assert since(NOON + 8.5) == since(NOON + 9) == [last]
    assert since(NOON + 9.5) == []


def test_an_undo_never_comes_after_the_reach_of_the_query(database: Database) -> None:
    decision = decide(database, stored(database), "ana", NOON)
    with database.write() as connection:
        deciding.undo(connection, decision, "ana", NOON + reading.UNDO_REACH, reading.UNDO_REACH)
        found = reading.decisions_since(connection, NOON + reading.UNDO_REACH)
    assert [one.id for one in found] == [decision]


def test_the_first_digits_name_a_case_unless_two_begin_so(database: Database) -> None:
    case = stored(database)
    with database.write() as connection:
        assert [reading.full_id(connection, case[:digits]) for digits in (8, 12, 36)] == [case] * 3
        assert reading.full_id(connection, case[:7]) == case[:7]
        assert reading.full_id(connection, "00000000") == "00000000"
        twin = case[:8] + "-0000-0000-0000-000000000000"
        connection.execute(insert(CASES).values(connection.execute(select(CASES)).one()._asdict() | {"id": twin}))
        assert reading.full_id(connection, case[:8]) == case[:8]
        assert reading.full_id(connection, case[:14]) == case


def test_a_prefix_finds_ids_literally_and_in_order(database: Database) -> None:
    cases = sorted(stored(database, str(n), room=str(n)) for n in range(9))
    with database.read() as connection:
        assert reading.ids(connection, "", 50) == cases
        assert reading.ids(connection, "", 2) == cases[:2]
        assert reading.ids(connection, cases[4], 2) == [cases[4]]
        assert reading.ids(connection, cases[4][:1], 50) == [case for case in cases if case[0] == cases[4][0]]
        assert reading.ids(connection, "%", 2) == reading.ids(connection, "_", 2) == []
