"""Texts of all scripts are divided into words, and into single characters where a script has no spaces."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.speech.languages.writing_systems import HAN, UNSPACED, tokens_of

RARE = "\U00020bb6"
"""A Cantonese character beyond 16 bits."""


def words(text: str) -> list[str]:
    return [token[0] for token in tokens_of(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I don't know.", ["I", "don't", "know"]),
        ("rock’n’roll 24/7", ["rock’n’roll", "24", "7"]),
        ("打game吧", ["打", "game", "吧"]),
        ("はい、OK", ["は", "い", "OK"]),
        (f"{RARE}{RARE}好", [RARE, RARE, "好"]),
        ("他说'ok'你好", ["他", "说", "ok", "你", "好"]),
        ("'hello' “quoted”", ["hello", "quoted"]),
        ("¿Qué tal?", ["Qué", "tal"]),
        ("?! …", []),
    ],
)
def test_a_text_has_these_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


TEXTS = st.text(st.sampled_from(list(f"ab'’ .é1你好はア{RARE}豈")) | st.characters(codec="utf-8"), max_size=30)


@given(TEXTS)
def test_every_letter_and_digit_is_in_exactly_one_word(text: str) -> None:
    places = [place for token in tokens_of(text) for place in range(*token.span())]
    assert places == sorted(set(places))
    assert {at for at, letter in enumerate(text) if letter.isalnum()} <= set(places)


@given(TEXTS)
def test_a_chinese_character_is_a_word_by_itself(text: str) -> None:
    assert re.findall(f"[{HAN}]", text) == [word for word in words(text) if re.search(f"[{HAN}]", word)]


@pytest.mark.parametrize("letter", ["ก", "ລ", "မ", "ក", "あ", "ア", "好", RARE])
def test_scripts_without_spaces_are_known(letter: str) -> None:
    assert UNSPACED.match(letter)


@pytest.mark.parametrize("letter", ["a", "é", "я", "ا", "한", "1", "。"])
def test_scripts_with_spaces_are_known(letter: str) -> None:
    assert not UNSPACED.match(letter)
