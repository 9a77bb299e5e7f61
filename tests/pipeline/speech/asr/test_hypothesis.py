import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.speech.asr.hypothesis import (
    Hypothesis,
    SpecialTokens,
    best_first,
    in_variant,
    is_suspicious,
    respelt,
    spoken,
)
from pipeline.speech.asr.recogniser import TimedWord

MARKS = SpecialTokens(end_of_text=100, timestamps=200)


def at(seconds: float) -> int:
    return MARKS.timestamps + round(seconds / 0.02)


def heard(text: str, avg_logprob: float) -> Hypothesis:
    return Hypothesis("en", (1,) * len(text.split()), text, avg_logprob, 0.1, seconds=1.0)


def test_segments_that_start_after_the_end_are_removed() -> None:
    tokens = [at(0), 1, 2, at(1.5), at(1.5), 3, at(2), at(2.4), 4, 5, at(3)]
    assert spoken(tokens, MARKS, 2.0)[0] == (1, 2, 3)
    assert spoken(tokens, MARKS, 2.5)[0] == (1, 2, 3, 4, 5)


def test_a_segment_without_an_end_counts() -> None:
    assert spoken([at(0), 1, 2], MARKS, 1.0) == ((1, 2), math.inf)
    assert spoken([], MARKS, 1.0) == ((), math.inf)


@pytest.mark.parametrize(("start", "text", "end"), [(0.8, (1, 2), 1.4), (1.2, (1,), 0.8)])
def test_a_text_ends_with_its_last_segment(start: float, text: tuple[int, ...], end: float) -> None:
    said, ended = spoken([at(0), 1, at(0.8), at(start), 2, at(1.4)], MARKS, 1.0)
    assert (said, round(ended, 2)) == (text, end)


@given(st.lists(st.integers(0, 1800)), st.floats(0, 30))
def test_only_text_tokens_remain_in_order(tokens: list[int], seconds: float) -> None:
    text = [token for token in tokens if token < MARKS.end_of_text]
    left = iter(text)
    assert all(token in left for token in spoken(tokens, MARKS, seconds)[0])
    assert list(spoken(tokens, MARKS, 40.0)[0]) == text


def test_a_loop_comes_last_with_any_score() -> None:
    loop = heard("get out " * 9, -0.01)
    assert best_first([loop, heard("one", -0.9), heard("two", -0.4)])[0].text == "two"
    assert best_first([loop, heard("one", -0.9)])[-1] is loop


def test_an_impossibly_fast_text_comes_after_a_less_certain_one() -> None:
    hasty = heard(" ".join(map(str, range(15))), -0.1)
    assert best_first([hasty, heard("one", -0.9)])[0].text == "one"


def test_a_sentence_comes_before_the_same_sentence_twice() -> None:
    once = "wait for me"
    twice = "wait for me now ana wait for me now ana"
    assert best_first([heard(twice, -0.1), heard(once, -0.9)])[0].text == once
    assert best_first([heard(twice, -0.1)])[0].text == twice


def test_each_text_occurs_once_with_its_best_score() -> None:
    found = best_first([heard("one", -0.9), heard("two", -0.5), heard("one", -0.3)])
    assert [(one.text, one.avg_logprob) for one in found] == [("one", -0.3), ("two", -0.5)]


def mandarin(text: str, tokens: int, avg_logprob: float) -> Hypothesis:
    return Hypothesis("zh", (1,) * tokens, text, avg_logprob, 0.1, seconds=5.0)


def test_the_many_tokens_of_a_rare_character_give_no_advantage() -> None:
    usual, rare = mandarin("锦上添花", 4, -0.5), mandarin("锦上添囮", 6, -0.4)
    assert rare.avg_logprob > usual.avg_logprob
    assert best_first([rare, usual])[0] is usual


def test_a_short_text_has_no_advantage() -> None:
    whole, half = mandarin("你在哪里上学", 6, -0.4), mandarin("你在", 2, -0.6)
    assert best_first([half, whole])[0] is whole
    assert best_first([half, mandarin("", 0, -0.9)])[0] is half


def test_numbers_are_written_as_spoken() -> None:
    assert best_first([mandarin("5斤", 2, -0.2), mandarin("五斤", 2, -0.3)])[0].text == "五斤"


def test_an_empty_text_has_a_compression_ratio_of_zero() -> None:
    assert heard("", -0.1).compression_ratio == 0


@pytest.mark.parametrize(
    ("text", "language", "tokens", "logprob", "no_speech", "suspicious"),
    [
        ("fine", "en", 4, -0.3, 0.1, False),
        ("sure enough", "en", 4, -0.59, 0.1, False),
        ("unsure", "en", 4, -0.61, 0.1, True),
        ("你好", "zh", 4, -0.6, 0.1, False),
        ("你好", "zh", 4, -1.1, 0.1, True),
        ("silence", "en", 4, -1.2, 0.8, False),
        ("no " * 9, "en", 9, -0.1, 0.1, True),
        ("wait for me at home wait for me at home", "en", 10, -0.1, 0.1, True),
        ("more than anybody says in a second", "en", 15, -0.1, 0.1, True),
    ],
)
def test_suspicious_texts_are_decoded_again(
    text: str, language: str, tokens: int, logprob: float, no_speech: float, suspicious: bool
) -> None:
    heard = Hypothesis(language, (1,) * tokens, text, logprob, no_speech, seconds=1.0)
    assert is_suspicious(heard) is suspicious


def recognised(text: str, language: str) -> Hypothesis:
    return Hypothesis(language, (1,), text, -0.2, 0.1, seconds=1.0)


def words(*texts: str) -> tuple[TimedWord, ...]:
    return tuple(TimedWord(text, at, at + 1.0, 0.9) for at, text in enumerate(texts))


def test_only_the_texts_of_a_scripts_language_change() -> None:
    assert in_variant(recognised("歡迎", "zh"), "simplified").text == "欢迎"
    assert in_variant(recognised("歡迎", "ja"), "simplified").text == "歡迎"


def test_words_have_the_characters_of_their_text() -> None:
    """Alone, 著 would stay as it is: only its sentence tells the variant."""
    found = in_variant(recognised("他吃著飯, ok go", "zh"), "simplified").text
    assert respelt(words("他", "吃", "著", "飯,", "ok", "go"), found) == words("他", "吃", "着", "饭,", "ok", "go")
