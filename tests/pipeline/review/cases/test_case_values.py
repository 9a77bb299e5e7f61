"""Ids that a replay repeats, the flag that represents a case, and values that no database could store."""

import math
from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import BadMessage, CaseError
from pipeline.contract.messages import Decision, Flag
from pipeline.review.cases.case_values import (
    MAX_ID,
    CaseFile,
    Choice,
    Evidence,
    case_id,
    check_decision,
    check_storable,
    decision_id,
    worst,
)
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, case, flag

FLAGS = st.builds(
    flag,
    st.text("abc", min_size=1, max_size=2),
    st.integers(0, 2),
    st.just(5),
    risk=st.sampled_from([0.1, 0.9]),
    suggestion=st.sampled_from(["pass", "review", "block"]),
)
UPHOLD = Choice(verdict="uphold", label="hate", reason="confirmed", note="n", action="mute")
DECISION = Decision(id="d", case="c", moderator="ana", verdict="uphold", at=NOON)


def clip(start: float, end: float) -> Evidence:
    return Evidence(path="a", case="c", start=NOON + start, end=NOON + end, seconds=1, bytes=1, sha256="")


def test_the_id_of_a_case_depends_on_its_first_flag_only() -> None:
    assert case_id(flag("a", 0, 5)) == case_id(flag("a", 9, 12, text="other", risk=0.9))
    assert case_id(flag("a", 0, 5)) != case_id(flag("b", 0, 5))


@pytest.mark.parametrize(
    "changes",
    [{"verdict": "dismiss"}, {"label": None}, {"label": "abuse"}, {"reason": ""}, {"note": ""}, {"action": "warn"}],
)
def test_another_choice_is_another_decision(changes: dict[str, Any]) -> None:
    first = decision_id(UPHOLD, "c", "ana", 0)
    assert first == decision_id(msgspec.structs.replace(UPHOLD), "c", "ana", 0)
    assert first != decision_id(msgspec.structs.replace(UPHOLD, **changes), "c", "ana", 0)


def test_another_case_person_or_attempt_is_another_decision() -> None:
    places = [("c", "ana", 0), ("d", "ana", 0), ("c", "ben", 0), ("c", "ana", 1)]
    assert len({decision_id(UPHOLD, *place) for place in places}) == len(places)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"suggestion": "review", "risk": 0.9}, {"suggestion": "block", "risk": 0.1}),
        ({"suggestion": "pass", "risk": 0.9}, {"suggestion": "review", "risk": 0.1}),
        ({"risk": 0.5}, {"risk": 0.6}),
        ({"risk": 0.9, "source": "ear"}, {"risk": 0.1}),
        ({"risk": 0.9, "source": "reader"}, {"risk": 0.1, "source": "sound"}),
        (
            {"risk": 0.9, "source": "sound", "flagged": ()},
            {"risk": 0.1, "source": "sound", "flagged": ("sexual",)},
        ),
        ({"risk": 0.1, "flagged": ("hate",)}, {"risk": 0.9, "flagged": ()}),
        ({"start": NOON + 1}, {"start": NOON}),
        ({"id": "a"}, {"id": "b"}),
    ],
)
def test_the_worst_flag_represents_a_case(better: dict[str, Any], worse: dict[str, Any]) -> None:
    one, other = (msgspec.structs.replace(flag("x", 0, 5), **changes) for changes in (better, worse))
    assert worst([one, other]) == worst([other, one]) == other


@given(st.lists(FLAGS, min_size=1, max_size=4, unique_by=lambda one: one.id))
def test_the_order_of_arrival_does_not_change_the_worst_flag(flags: list[Flag]) -> None:
    assert len({worst(order).id for order in permutations(flags)}) == 1


@pytest.mark.parametrize(
    ("clips", "covered"),
    [
        ([], False),
        ([(-5, 10)], True),
        ([(0, 10)], True),
        ([(0.1, 10)], False),
        ([(-5, 9.9)], False),
        ([(-5, 5), (5, 10)], False),
        ([(3, 4), (-1, 11)], True),
    ],
)
def test_one_clip_must_cover_the_whole_case(clips: list[tuple[float, float]], covered: bool) -> None:
    file = CaseFile(case=case(0, 10), flags=(), evidence=tuple(clip(*span) for span in clips), decisions=())
    assert file.covered == covered


def test_a_case_has_a_place_in_the_list_and_one_in_the_queue() -> None:
    one = case(0, 5, rank=2, due_at=7.0)
    assert (one.key, one.place) == ((NOON, "c"), (2, 7.0, "c"))


@pytest.mark.parametrize(
    "changes",
    [
        {"start": NOON + 9},
        {"id": "x" * (MAX_ID + 1)},
        {"utterance": "x" * (MAX_ID + 1)},
        {"text": "a\0b"},
        {"room": "\\\0"},
        {"reasons": ("a\0b",)},
        {"text": "\ud800"},
        {"risk": math.nan},
        {"risk": 1.5},
        {"start": math.inf},
        {"suggestion": "maybe"},
        {"labels": {"abuse": "high"}},
    ],
)
def test_a_flag_that_no_database_can_store_is_bad(changes: dict[str, Any]) -> None:
    with pytest.raises(BadMessage):
        check_storable(msgspec.structs.replace(flag("a", 0, 5), **changes))


@pytest.mark.parametrize(
    "changes",
    [{}, {"id": "x" * MAX_ID}, {"text": "a\\u0000b"}, {"room": "\\\\\\u0000"}, {"start": NOON + 5}, {"labels": {}}],
)
def test_other_flags_are_good_and_are_stored(store: SqlReviewStore, changes: dict[str, Any]) -> None:
    good = msgspec.structs.replace(flag("a", 0, 5), **changes)
    check_storable(good)
    [outcome] = store.add([good], NOON)
    assert store.case(outcome.case).flags == (good,)


@pytest.mark.parametrize(
    "changes", [{"moderator": ""}, {"note": "x" * 4_001}, {"note": "\0"}, {"verdict": "maybe"}, {"at": math.nan}]
)
def test_a_decision_that_breaks_the_contract_is_an_error_of_the_case(changes: dict[str, Any]) -> None:
    check_decision(DECISION)
    with pytest.raises(CaseError, match="The decision"):
        check_decision(msgspec.structs.replace(DECISION, **changes))
