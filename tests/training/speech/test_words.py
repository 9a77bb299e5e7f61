"""Two spellings of the same Mandarin are equal after normalising."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.speech.words import characters


@pytest.mark.parametrize("text", ["今天,天氣 很好!", "今天天气很好。", " 今 天 天 气 很 好"])
def test_script_marks_and_spaces_of_mandarin_do_not_count(text: str) -> None:
    assert characters(text) == "今 天 天 气 很 好"


def test_letters_and_digits_within_mandarin_are_single() -> None:
    assert characters("打 WiFi 5") == "打 w i f i 5"


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert characters(characters(text)) == characters(text)
