"""Every part of a text is found by its grams."""

from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.review.search.grams import LENGTH, fold, grams, needles

LETTERS = st.sampled_from("ab1 加微信傻-かﾊｸé　.，’Ая\u0e01\u0e31\u200b")


def found(phrase: str, text: str) -> bool:
    """Tell whether the index would give the text for the phrase."""
    known, asked = grams(fold(text)), needles(fold(phrase))
    begun = all(any(gram.startswith(one) for gram in known) for one in asked.beginnings)
    return set(asked.whole) <= known and begun


def test_chinese_needs_no_spaces_and_latin_words_are_found_in_part() -> None:
    text = "很简单，你先转两百，一小时返现四百。Cashback doubles"
    for phrase in ("返现", "返", "先转两百", "现四", "cash", "BACK", "hb", "ouble"):
        assert found(phrase, text), phrase
    for phrase in ("返四", "百转", "backcash", "cashbags"):
        assert not found(phrase, text), phrase


def test_other_spellings_give_the_same_grams() -> None:
    assert grams(fold("ＣＡＳＨ返現")) == grams(fold("cash返现"))


@given(st.text(LETTERS, max_size=30), st.integers(0, 30), st.integers(0, 30))
def test_each_part_of_a_folded_text_is_found(text: str, start: int, end: int) -> None:
    folded = fold(text)
    known, asked = grams(folded), needles(folded[start:end])
    assert set(asked.whole) <= known
    assert all(any(gram.startswith(one) for gram in known) for one in asked.beginnings)


@given(st.text())
@example("\U0002ebe1")  # newer than the Unicode tables of Python 3.11
def test_grams_need_no_escapes(text: str) -> None:
    """No gram can end the quotes in which the databases get it."""
    assert all(not set(gram) & set("'\"\\ \0") and 1 <= len(gram) <= LENGTH for gram in grams(fold(text)))
