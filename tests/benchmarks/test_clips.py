"""Error rates of recognisers count errors fairly, and their interval separates chance from effect."""

import numpy as np
import pytest

from benchmarks.clips import Reference, as_numbers, by_digit, errors, interval, rate, rates

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file .*english.json:ResourceWarning")
"""Whisper leaves the file open."""


def reference(text: str, language: str = "zh", source: str = "phone") -> Reference:
    return Reference("a.flac", language, source, 2.0, text)


@pytest.mark.parametrize(
    ("number", "said"),
    [("5", "五"), ("10", "十"), ("25", "二十五"), ("105", "一百零五"), ("110", "一百一十"), ("1010", "一千零一十")],
)
def test_numbers_are_spelt_as_people_say_them(number: str, said: str) -> None:
    assert as_numbers(number) == said


def test_long_numbers_are_spelt_digit_by_digit() -> None:
    assert as_numbers("打13800138000") == by_digit("打13800138000") == "打一三八零零一三八零零零"


def test_the_better_reading_of_a_number_counts() -> None:
    found = errors([reference("我有二十五块"), reference("房间二五")], ["我有25块", "房间25"])
    assert found.tolist() == [[0, 6], [0, 4]]


def test_languages_and_clean_and_hard_clips_are_scored_separately() -> None:
    refs = [reference("a b", "en", "asterisk"), reference("c d", "en", "song"), reference("你好")]
    found = dict(rates(refs, errors(refs, ["a b", "c x", "你们"])))
    assert found == {"en": 25, "en clean": 0, "en hard": 50, "zh": 50, "zh hard": 50}


def test_an_interval_separates_chance_from_effect() -> None:
    random = np.random.default_rng(1)
    before = np.stack([random.integers(0, 5, 300), np.full(300, 10)], axis=1)
    same, worse = before.copy(), before + np.array([1, 0])
    random.shuffle(same)
    low, high = interval(before, same)
    assert low < 0 < high
    low, high = interval(before, worse)
    assert low == pytest.approx(10) == high == rate(worse) - rate(before)
