from hypothesis import given
from hypothesis import strategies as st

from pipeline.asr.hypothesis import Hypothesis, SpecialTokens, best_first, spoken

MARKS = SpecialTokens(end_of_text=100, timestamps=200)


def at(seconds: float) -> int:
    return MARKS.timestamps + round(seconds / 0.02)


def heard(text: str, avg_logprob: float) -> Hypothesis:
    return Hypothesis("en", (1,) * len(text.split()), text, avg_logprob, 0.1, seconds=1.0)


def test_segments_that_start_after_the_end_are_left_out() -> None:
    tokens = [at(0), 1, 2, at(1.5), at(1.5), 3, at(2), at(2.4), 4, 5, at(3)]
    assert spoken(tokens, MARKS, 2.0) == (1, 2, 3)
    assert spoken(tokens, MARKS, 2.5) == (1, 2, 3, 4, 5)


def test_an_open_segment_counts() -> None:
    assert spoken([at(0), 1, 2], MARKS, 1.0) == (1, 2)
    assert spoken([], MARKS, 1.0) == ()


@given(st.lists(st.integers(0, 1800)), st.floats(0, 30))
def test_only_text_is_left_in_order(tokens: list[int], seconds: float) -> None:
    text = [token for token in tokens if token < MARKS.end_of_text]
    left = iter(text)
    assert all(token in left for token in spoken(tokens, MARKS, seconds))
    assert list(spoken(tokens, MARKS, 40.0)) == text


def test_a_loop_comes_last_however_sure_it_is() -> None:
    loop = heard("get out " * 9, -0.01)
    assert best_first([loop, heard("one", -0.9), heard("two", -0.4)])[0].text == "two"
    assert best_first([loop, heard("one", -0.9)])[-1] is loop


def test_what_nobody_says_so_fast_comes_after_what_is_less_sure() -> None:
    hasty = heard(" ".join(map(str, range(15))), -0.1)
    assert best_first([hasty, heard("one", -0.9)])[0].text == "one"


def test_one_sentence_comes_before_it_twice_over() -> None:
    once = "wait for me"
    twice = "wait for me now ana wait for me now ana"
    assert best_first([heard(twice, -0.1), heard(once, -0.9)])[0].text == once
    assert best_first([heard(twice, -0.1)])[0].text == twice


def test_each_text_once_with_its_best_score() -> None:
    found = best_first([heard("one", -0.9), heard("two", -0.5), heard("one", -0.3)])
    assert [(one.text, one.avg_logprob) for one in found] == [("one", -0.3), ("two", -0.5)]


def mandarin(text: str, tokens: int, avg_logprob: float) -> Hypothesis:
    return Hypothesis("zh", (1,) * tokens, text, avg_logprob, 0.1, seconds=5.0)


def test_a_rare_character_gains_nothing_by_its_many_tokens() -> None:
    usual, rare = mandarin("锦上添花", 4, -0.5), mandarin("锦上添囮", 6, -0.4)
    assert rare.avg_logprob > usual.avg_logprob
    assert best_first([rare, usual])[0] is usual


def test_less_text_is_no_better_for_being_short() -> None:
    whole, half = mandarin("你在哪里上学", 6, -0.4), mandarin("你在", 2, -0.6)
    assert best_first([half, whole])[0] is whole
    assert best_first([half, mandarin("", 0, -0.9)])[0] is half


def test_numbers_come_as_they_are_said() -> None:
    assert best_first([mandarin("5斤", 2, -0.2), mandarin("五斤", 2, -0.3)])[0].text == "五斤"


def test_no_text_has_no_ratio() -> None:
    assert heard("", -0.1).compression_ratio == 0
