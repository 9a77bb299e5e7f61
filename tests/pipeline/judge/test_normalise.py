import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.judge.normalise import normalise

TRICKY = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.sampled_from(" -_'’.\u200b\u0301\ufe0f*aeiklsсеаο傻逼殺們１ＡﬁßİŉǅΣ가"),
    ),
    max_size=40,
)


@given(TRICKY)
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text).text
    assert normalise(once).text == once


@given(TRICKY)
def test_every_character_has_its_place_in_the_source(text: str) -> None:
    view = normalise(text)
    assert len(view.text) == len(view.starts) == len(view.ends)
    assert all(0 <= start < end <= len(text) for start, end in zip(view.starts, view.ends, strict=True))
    assert list(view.starts) == sorted(view.starts)


@given(TRICKY.filter(lambda text: bool(normalise(text).text)))
def test_the_span_of_everything_holds_every_letter(text: str) -> None:
    view = normalise(text)
    start, end = view.span(0, len(view.text))
    assert normalise(text[start:end]).text == view.text


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("ＫＩＬＬ　Ｙｏｕ", "kill you"),
        ("殺了他們", "杀了他们"),
        ("k\u200bi\u200dll", "kill"),
        ("k̷i̷l̷l̷", "kill"),
        ("café", "cafe"),
        ("I’m, I'm", "im, im"),
        ("kіll", "kill"),
        ("fаggоt", "faggot"),
        ("дом", "дом"),
        ("弄死 你", "弄死你"),
        ("加 V 信", "加v信"),
        ("two   words", "two words"),
        ("kill-yourself", "kill yourself"),
        ("t-shirt 3.14 U.S.A", "t-shirt 3.14 u.s.a"),
    ],
)
def test_spellings_of_the_same_text_are_equal(written: str, plain: str) -> None:
    assert normalise(written).text == plain


def test_every_letter_of_unicode_folds_to_something_stable() -> None:
    for start in range(0, sys.maxunicode, 0x4000):
        block = [chr(code) for code in range(start, start + 0x4000)]
        text = "|".join(character for character in block if unicodedata.category(character) not in {"Cn", "Cs", "Co"})
        once = normalise(text).text
        assert normalise(once).text == once
