import pytest

from pipeline.contract.messages import Word
from pipeline.judge.times import times_of
from tests.builders import transcript

WORDS = (Word("we", 100.1, 100.3), Word(" kill", 100.5, 100.9), Word(" you.", 101.0, 101.4))


def test_a_span_has_the_times_of_its_words() -> None:
    found = transcript("we kill you.", words=WORDS)
    assert times_of(found, 3, 11) == (100.5, 101.4)
    assert times_of(found, 4, 5) == (100.5, 100.9)


def test_without_words_times_follow_the_share_of_characters() -> None:
    assert times_of(transcript("abcdefgh"), 2, 4) == pytest.approx((100.5, 101.0))


def test_words_that_are_not_in_the_text_are_left_out() -> None:
    odd = (Word("other", 100.0, 100.2), *WORDS)
    assert times_of(transcript("we kill you.", words=odd), 0, 2) == (100.1, 100.3)
    assert times_of(transcript("nothing fits", words=odd), 0, 12) == (100.0, 102.0)
