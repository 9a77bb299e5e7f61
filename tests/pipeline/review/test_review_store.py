"""The review store on SQLite and on PostgreSQL."""

from contextlib import closing
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select

from pipeline.base.errors import CaseError
from pipeline.contract.messages import Flag
from pipeline.review.cases.case_values import Choice, ClipPiece, Evidence, Filters
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.assessment_tables import DRILL_LINES, DRILLS
from tests.builders import NOON, flag, sound_flag


def results(store: SqlReviewStore, *flags: Flag, at: float = NOON) -> list[str]:
    return [outcome.result for outcome in store.add(flags, at)]


def clip(case: str, path: str, start: float, end: float) -> Evidence:
    return Evidence(
        path=path,
        case=case,
        start=NOON + start,
        end=NOON + end,
        seconds=end - start,
        bytes=10,
        sha256="00",
        timeline=(ClipPiece(0.0, NOON + start, end - start),),
    )


def test_a_stored_flag_is_read_back_unchanged(store: SqlReviewStore) -> None:
    plain = flag("a", 0, 5, marks=("low_confidence",), address="lookback/1/2", room="房间 '; DROP TABLE cases; --")
    bare = msgspec.structs.replace(plain, id="b", labels={}, flagged=(), hits=(), reasons=(), start=NOON + 9.0625)
    outcomes = store.add([plain, msgspec.structs.replace(bare, end=NOON + 9.5)], NOON)
    assert [store.case(outcome.case).flags for outcome in outcomes] == [
        (plain,),
        (msgspec.structs.replace(bare, end=NOON + 9.5),),
    ]


def test_adding_no_flags(store: SqlReviewStore) -> None:
    assert store.add([], NOON) == []


def test_overlapping_flags_form_one_case_that_shows_the_worst(store: SqlReviewStore) -> None:
    mild, severe = flag("a", 0, 5, risk=0.9), flag("b", 4, 9, suggestion="block", risk=0.2, flagged=("hate", "abuse"))
    assert results(store, mild, severe) == ["created", "merged"]
    [case] = store.cases(Filters())
    assert (case.start, case.end, case.version) == (NOON, NOON + 9, 2)
    assert (case.suggestion, case.risk, case.label, case.text) == ("block", 0.2, "hate", severe.text)


def test_a_case_that_a_sound_leads_has_the_language_of_its_words(store: SqlReviewStore) -> None:
    store.add([flag("mild", 0, 5, risk=0.6, language="en"), flag("worse", 4, 8, risk=0.7, language="zh")], NOON)
    store.add([sound_flag("sound", 5, 9, suggestion="block"), sound_flag("alone", 60, 70)], NOON)
    assert sorted((each.source, each.language) for each in store.cases(Filters())) == [("sound", ""), ("sound", "zh")]


def test_a_flag_between_two_cases_merges_them(store: SqlReviewStore) -> None:
    first, second = store.add([flag("a", 0, 5), flag("b", 6, 10)], NOON)
    store.attach(clip(second.case, "b.ogg", 6, 10))
    [joint] = store.add([flag("c", 4, 7)], NOON)
    file = store.case(joint.case)
    assert [f.id for f in file.flags] == ["a", "c", "b"]
    assert [e.path for e in file.evidence] == ["b.ogg"]
    assert not file.covered
    [gone] = {first.case, second.case} - {joint.case}
    with pytest.raises(CaseError, match=f"There is no case {gone}"):
        store.case(gone)


def test_outcomes_of_a_batch_name_the_merged_case(store: SqlReviewStore) -> None:
    outcomes = store.add([flag("a", 0, 5), flag("b", 6, 10), flag("c", 4, 7)], NOON)
    assert [outcome.result for outcome in outcomes] == ["created", "created", "merged"]
    assert len({outcome.case for outcome in outcomes}) == 1


def test_new_speech_after_a_decision_opens_a_new_case(store: SqlReviewStore) -> None:
    [old] = store.add([flag("a", 0, 5)], NOON)
    store.decide(old.case, "mia", Choice(verdict="dismiss"), NOON + 60)
    [new] = store.add([flag("b", 4, 9)], NOON + 61)
    assert new.result == "created"
    assert store.case(old.case).flags == (flag("a", 0, 5),)


def test_an_escalated_case_keeps_its_decisions_when_it_grows(store: SqlReviewStore) -> None:
    _, late = store.add([flag("a", 0, 5), flag("b", 6, 10)], NOON)
    store.decide(late.case, "mia", Choice(verdict="escalate"), NOON + 60)
    [joint] = store.add([flag("c", 4, 7)], NOON + 61)
    file = store.case(joint.case)
    assert (joint.case, file.case.status, len(file.decisions)) == (late.case, "escalated", 1)


def test_a_case_has_a_longest_time(url: str) -> None:
    with closing(SqlReviewStore(Database(url), max_case=10)) as store:
        monologue = [flag(str(second), second, second + 3) for second in range(0, 30, 2)]
        store.add(monologue, NOON)
        found = [store.case(case.id) for case in store.cases(Filters())]
        assert sorted(f.id for file in found for f in file.flags) == sorted(f.id for f in monologue)
        assert max(file.case.end - file.case.start for file in found) <= 10
        assert len(found) == 4


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), {"a", "b", "c"}),
        (Filters(status="pending"), {"b", "c"}),
        (Filters(status="decided"), {"a"}),
        (Filters(label="hate"), {"b"}),
        (Filters(suggestion="block"), {"c"}),
        (Filters(room="a"), {"a"}),
        (Filters(speaker="bob"), {"b"}),
        (Filters(since=NOON + 10), {"b", "c"}),
        (Filters(since=NOON + 10, speaker="bob", label="abuse"), set()),
    ],
)
def test_filters(store: SqlReviewStore, filters: Filters, expected: set[str]) -> None:
    [decided] = store.add([flag("a", 0, 5, room="a")], NOON)
    store.decide(decided.case, "mia", Choice(verdict="uphold"), NOON)
    store.add([flag("b", 0, 5, room="b", speaker="bob", flagged=("hate",))], NOON + 10)
    store.add([flag("c", 0, 5, room="c", suggestion="block")], NOON + 20)
    assert {case.room for case in store.cases(filters)} == expected


def test_a_repeated_decision_is_stored_once(store: SqlReviewStore) -> None:
    [stored] = store.add([flag("a", 0, 5)], NOON)
    decision = store.decide(stored.case, "mia", Choice(verdict="uphold", label="hate", note="说的是真的"), NOON + 60)
    assert (
        store.decide(stored.case, "mia", Choice(verdict="uphold", label="hate", note="说的是真的"), NOON + 99)
        == decision
    )
    file = store.case(stored.case)
    assert file.decisions == (decision,)
    assert (file.case.status, file.case.version) == ("decided", 2)
    with pytest.raises(CaseError, match="already decided"):
        store.decide(stored.case, "bob", Choice(verdict="dismiss"), NOON + 61)


@pytest.mark.parametrize(("moderator", "note"), [("", ""), ("ann", "x" * 4_001), ("ann", "\0")])
def test_a_decision_that_breaks_the_contract_is_refused(store: SqlReviewStore, moderator: str, note: str) -> None:
    [stored] = store.add([flag("a", 0, 5)], NOON)
    with pytest.raises(CaseError, match="decision"):
        store.decide(stored.case, moderator, Choice(verdict="uphold", note=note), NOON)
    assert store.case(stored.case).decisions == ()


def test_an_unknown_case_raises_an_error(store: SqlReviewStore) -> None:
    with pytest.raises(CaseError, match="There is no case nil"):
        store.case("nil")
    with pytest.raises(CaseError, match="There is no case nil"):
        store.decide("nil", "mia", Choice(verdict="uphold"), NOON)
    with pytest.raises(CaseError, match="There is no case nil"):
        store.attach(clip("nil", "a.ogg", 0, 5))


def test_a_prefix_of_the_id_finds_a_case(store: SqlReviewStore) -> None:
    stored = store.add([flag(str(n), n * 10, n * 10 + 5) for n in range(40)], NOON)
    assert store.find(stored[0].case[:12]) == stored[0].case
    with pytest.raises(CaseError, match="More than one"):
        store.find("")
    with pytest.raises(CaseError, match="There is no case"):
        store.find("%")


def test_a_new_clip_replaces_the_old_ones(store: SqlReviewStore) -> None:
    [stored] = store.add([flag("a", 0, 5)], NOON)
    assert store.attach(clip(stored.case, "old.ogg", -5, 4)) == []
    assert not store.case(stored.case).covered
    assert store.attach(clip(stored.case, "new.ogg", -5, 5)) == ["old.ogg"]
    assert store.attach(clip(stored.case, "new.ogg", -5, 5)) == []
    file = store.case(stored.case)
    assert file.evidence == (clip(stored.case, "new.ogg", -5, 5),)
    assert file.covered


def begin(database: Database, *rooms: str) -> None:
    drill = {"id": "d1", "kind": "detection", "started_by": "lea", "started_at": NOON}
    lines = [
        {"drill": "d1", "room": room, "language": "zh", "label": "violence", "text": "打死你", "spoken_at": NOON}
        for room in rooms
    ]
    with database.write() as connection:
        connection.execute(insert(DRILLS).values(drill))
        connection.execute(insert(DRILL_LINES), lines)


def said(name: str, room: str, suggestion: str = "review", **changes: Any) -> Flag:
    return flag(name, 0, 1, **{"room": room, "suggestion": suggestion, "drill": "d1"} | changes)


def verdicts(database: Database) -> dict[str, tuple[Any, ...]]:
    columns = ("suggestion", "flagged", "heard", "stored_at")
    with database.read() as connection:
        rows = connection.execute(select(DRILL_LINES)).all()
    return {row.room: tuple(getattr(row, name) for name in columns) for row in rows}


def test_each_line_gets_its_verdict_and_a_pass_is_one(database: Database) -> None:
    begin(database, "a", "b", "c")
    store = SqlReviewStore(database)
    passed = said("2", "b", "pass", flagged=(), hits=(), text="你好")
    store.add([said("1", "a"), passed, said("3", "c", drill="")], NOON + 3)
    assert verdicts(database) == {
        "a": ("review", ["violence"], "弄死你 1", NOON + 3),
        "b": ("pass", [], "你好", NOON + 3),
        "c": (None, None, None, None),
    }


def test_the_worst_verdict_of_a_line_counts_and_a_flag_delivered_again_changes_nothing(database: Database) -> None:
    begin(database, "a")
    store = SqlReviewStore(database)
    first, second = said("1", "a", "pass"), said("2", "a", "block")
    for at, batch in enumerate(([first], [second], [first, second], [first])):
        store.add(batch, NOON + at)
    assert verdicts(database)["a"] == ("block", ["violence"], "弄死你 2", NOON + 1)


def test_speech_of_an_unknown_drill_changes_nothing(database: Database) -> None:
    begin(database, "a")
    SqlReviewStore(database).add([said("1", "a", drill="d2"), said("2", "elsewhere")], NOON)
    assert verdicts(database) == {"a": (None, None, None, None)}
