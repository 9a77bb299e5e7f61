"""The times of words, and their places in the clip."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import Hit, Word
from pipeline.review.cases.values import ClipPiece
from pipeline.review.evidence.times import offset_of, tokens
from tests.builders import NOON, flag

TIMELINE = (ClipPiece(0.0, NOON, 2.0), ClipPiece(3.0, NOON + 10, 4.0))


def test_tokens_have_the_recogniser_s_times_and_doubts() -> None:
    words = (Word("I", NOON, NOON + 0.2), Word(" will", NOON + 0.3, NOON + 0.5, 0.3), Word(" kill", NOON + 1, NOON + 2))
    said = flag("a", 0, 4, text="I will kill you", words=words, hits=(Hit("kill", "violence", "high", 7, 11),))
    found = tokens(said)
    assert [token.text for token in found] == ["I", " ", "will", " ", "kill", " you"]
    assert [token.text for token in found if token.hit] == ["kill"]
    assert [token.text for token in found if token.doubtful] == ["will"]
    assert (found[4].start, found[4].end, found[4].measured) == (NOON + 1, NOON + 2, True)


def test_missing_times_are_estimated_by_characters() -> None:
    found = tokens(flag("a", 0, 4, text="你好 hello", hits=()))
    assert [token.text for token in found] == ["你", "好", " ", "hello"]
    assert (found[1].start, found[3].end, found[3].measured) == (NOON + 0.5, NOON + 4, False)


@given(st.text(max_size=60), st.lists(st.text(max_size=6), max_size=6))
def test_tokens_contain_all_of_any_text(text: str, heard: list[str]) -> None:
    words = tuple(Word(word, NOON + at, NOON + at + 1) for at, word in enumerate(heard))
    found = tokens(flag("a", 0, 4, text=text, words=words, hits=()))
    assert "".join(token.text for token in found) == text


def test_the_offset_of_a_moment_in_the_clip() -> None:
    assert offset_of(TIMELINE, NOON + 1) == 1.0
    assert offset_of(TIMELINE, NOON - 5) == 0.0
    assert offset_of(TIMELINE, NOON + 5) == 3.0, "a moment in a pause gives the end of the pause"
    assert offset_of(TIMELINE, NOON + 11) == 4.0
    assert offset_of(TIMELINE, NOON + 20) is None
