"""Texts with nearly the same letters are found, whatever their case, marks and spaces; others are not."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.learning.duplicates import BANDS, SHINGLE, Seen, bands

TEXT = st.text(st.characters(codec="utf-8"), max_size=60)


def test_near_duplicates_are_found() -> None:
    seen = Seen(["The quick brown fox jumps over the lazy dog near the river bank today"])
    assert seen.add("the quick brown fox jumps over the lazy dog, near the river bank today!")
    assert not seen.add("an entirely different sentence about cooking rice and beans at home")


@given(TEXT)
def test_a_text_is_always_found_again(text: str) -> None:
    seen = Seen()
    assert text not in seen
    assert not seen.add(text)
    assert text in seen
    assert seen.add(text)


@given(st.text(st.sampled_from("abcdefgh你好吗12"), max_size=40), st.sampled_from([" ", ", ", "_", "!? "]))
def test_marks_spaces_and_case_do_not_count(text: str, between: str) -> None:
    assert bands(text) == bands(between.join(text.upper()) + between)
    assert len(bands(text)) == BANDS


@given(TEXT, TEXT)
def test_being_a_duplicate_is_mutual(one: str, other: str) -> None:
    assert (one in Seen([other])) == (other in Seen([one]))


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
        found += one in Seen([other])
    assert low <= found / pairs <= high
