"""Sides share no room and no speaker, golden cases never teach, and decided labels become targets."""

from hashlib import sha256
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.judge.conversations import RecentUtterance, SpeechBefore
from pipeline.learning.case_split import (
    HASH_BANDS,
    HELD,
    LARGEST,
    SHINGLE,
    SeenTexts,
    bands,
    filled,
    rows_of,
    split_cases,
    teaching,
)
from pipeline.learning.decided_cases import DecidedUtterance, Example, PlacedExample
from pipeline.learning.training_rows import CLEAN, OUTPUTS
from tests.builders import flag


def example(at: int, **changes: object) -> Example:
    fields: dict[str, object] = {
        "text": sha256(str(at).encode()).hexdigest(),
        "language": "en",
        "labels": {"risk": 0.0},
        "group": f"case-{at}",
        "room_type": "default",
        "suggestion": "review",
        "policy": "default@1",
        "reason": "",
        "opinions": 1,
        "golden": False,
        "probability": None,
        "decided_at": 0.0,
    }
    return Example(**fields | changes)  # type: ignore[arg-type]


def placed(count: int, speakers: int, rooms: int) -> list[PlacedExample]:
    """Each speaker is always in the same room if there are at least as many speakers as rooms."""
    return [
        PlacedExample(example(at), f"room {at % speakers % rooms}", f"speaker {at % speakers}") for at in range(count)
    ]


def test_no_room_and_no_speaker_is_on_both_sides() -> None:
    cases = placed(400, 60, 20)
    found = split_cases(cases, 1)
    place = {each.example.group: (each.room, each.speaker) for each in cases}
    taught, held = ({place[each.group] for each in side} for side in (found.taught, found.held))
    assert found.apart == "rooms and speakers"
    for names in (0, 1):
        assert not {each[names] for each in taught} & {each[names] for each in held}
    assert HELD / 2 < len(found.held) / 400 <= LARGEST
    assert split_cases(cases, 1) == found
    assert split_cases(cases, 2) != found


def test_rooms_that_hang_together_are_not_kept_apart() -> None:
    """All speakers meet in one lobby."""
    cases = [PlacedExample(each.example, "lobby", each.speaker) for each in placed(400, 60, 20)]
    found = split_cases(cases, 1)
    assert found.apart == "speakers"
    assert HELD / 2 < len(found.held) / 400 <= LARGEST


def test_golden_cases_and_texts_close_to_them_never_teach() -> None:
    cases = placed(100, 20, 10)
    golden = [PlacedExample(example(at, group=f"golden-{at}", golden=True), "room", "ann") for at in range(5)]
    found = split_cases([*cases, *golden], 1)
    assert {each.group for each in found.golden} == {f"golden-{at}" for at in range(5)}
    assert not {f"case-{at}" for at in range(5)} & {each.group for each in found.taught}
    assert not {each.text for each in found.taught} & {each.text for each in (*found.held, *found.golden)}


def after(case: str) -> DecidedUtterance:
    """An utterance that follows two of others: the speaker's own one, and one of the case `case`."""
    before = SpeechBefore(
        RecentUtterance("ann", "now", 5, 6),
        (RecentUtterance("ann", "mine", 0, 1),),
        (RecentUtterance("bob", "theirs", 2, 3),),
    )
    return DecidedUtterance(flag(), before, frozenset({case, "undecided"}))


def test_cases_teach_alone_and_in_their_context() -> None:
    cases = placed(100, 20, 10)
    cases += [PlacedExample(example(100, group="golden", golden=True), "room", "ann")]
    sides = split_cases(cases, 1)
    first, second, third = (each.group for each in sides.taught[:3])
    heard = {first: after(second), second: after(sides.held[0].group), third: after("golden")}
    found = split_cases(cases, 1, heard)
    assert set(found.heard) == {first}, "cases that test are no context"
    taught = teaching(found)
    assert taught[:-1] == rows_of(found.taught)
    assert (taught[-1].text, taught[-1].own, taught[-1].room) == (taught[0].text, "mine", "theirs")
    assert taught[-1].labels == taught[0].labels
    assert filled(taught, np.zeros((len(taught), len(OUTPUTS))))[-1].room == "theirs"


def test_decided_labels_are_targets_and_the_present_model_fills_the_others() -> None:
    upheld = example(1, labels={"abuse": 0.0, "hate": 1.0, "risk": 1.0, "strange": 1.0})
    one, other = rows_of([upheld, example(2, labels={"abuse": 0.0, "risk": 0.0})])
    assert one.labels == {"abuse": 0.0, "hate": 1.0, "risk": 1.0}
    assert other.labels == CLEAN
    scores = np.full((2, len(OUTPUTS)), 0.25)
    first, second = filled([one, other], scores)
    assert first.labels == dict.fromkeys(OUTPUTS, 0.25) | dict(one.labels)
    assert second.labels == CLEAN


TEXT = st.text(st.characters(codec="utf-8"), max_size=60)


def test_near_duplicates_are_found() -> None:
    seen = SeenTexts(["The quick brown fox jumps over the lazy dog near the river bank today"])
    assert seen.add("the quick brown fox jumps over the lazy dog, near the river bank today!")
    assert not seen.add("an entirely different sentence about cooking rice and beans at home")


@given(TEXT)
def test_a_text_is_always_found_again(text: str) -> None:
    seen = SeenTexts()
    assert text not in seen
    assert not seen.add(text)
    assert text in seen
    assert seen.add(text)


@given(st.text(st.sampled_from("abcdefgh你好吗12"), max_size=40), st.sampled_from([" ", ", ", "_", "!? "]))
def test_marks_spaces_and_case_do_not_count(text: str, between: str) -> None:
    assert bands(text) == bands(between.join(text.upper()) + between)
    assert len(bands(text)) == HASH_BANDS


@given(TEXT, TEXT)
def test_being_a_duplicate_is_mutual(one: str, other: str) -> None:
    assert (one in SeenTexts([other])) == (other in SeenTexts([one]))


@pytest.mark.parametrize(("likeness", "low", "high"), [(0.2, 0.0, 0.06), (0.57, 0.38, 0.6), (0.9, 0.97, 1.0)])
def test_the_share_that_is_found_grows_with_the_likeness(likeness: float, low: float, high: float) -> None:
    """The texts share a beginning, so that their sets of shingles have this Jaccard similarity."""
    random, length, pairs = Random(1), 200, 300  # noqa: S311
    same = round(length * 2 * likeness / (1 + likeness)) + SHINGLE - 1
    found = 0
    for _ in range(pairs):
        letters = [chr(random.randrange(0x4E00, 0x9FFF)) for _ in range(2 * length)]
        start, rest = letters[:same], length + SHINGLE - 1 - same
        one, other = ("".join(start + letters[at : at + rest]) for at in (same, length * 2 - rest))
        found += one in SeenTexts([other])
    assert low <= found / pairs <= high
