"""A code is one that Whisper writes, and the error for another names the nearest."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from whisper.tokenizer import LANGUAGES

from pipeline.settings.speech import CODES, COMMON_MISTAKES, Audio, check_code


def test_the_codes_are_whispers() -> None:
    assert set(LANGUAGES) == CODES


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_code_is_accepted_as_it_is_and_suggested_for_other_spellings(code: str) -> None:
    assert check_code(code) == code
    for other in (code.upper(), f"{code}-XX", f"{code}_XX"):
        with pytest.raises(
            ValueError, match=re.escape(f"'{other}' is no language code of Whisper (did you mean {code}?)")
        ):
            check_code(other)


def test_a_common_mistake_is_no_code_and_leads_to_one() -> None:
    assert set(COMMON_MISTAKES).isdisjoint(CODES)
    assert set(COMMON_MISTAKES.values()) <= CODES


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("cn", "zh"),
        ("Mandarin", "zh"),
        ("cmn-Hans", "zh"),
        ("zh-CN", "zh"),
        ("jp", "ja"),
        ("JP_jp", "ja"),
        ("eng", "en"),
    ],
)
def test_a_mistake_names_the_code_that_is_meant(given: str, meant: str) -> None:
    with pytest.raises(ValueError, match=rf"did you mean {meant}\?"):
        check_code(given)


@given(st.text(max_size=12).filter(lambda text: text not in CODES))
def test_any_other_text_is_refused_and_only_real_codes_are_suggested(text: str) -> None:
    with pytest.raises(ValueError, match="is no language code of Whisper") as caught:
        check_code(text)
    if suggested := re.search(r" \(did you mean (\w+)\?\)\Z", str(caught.value)):
        assert suggested[1] in CODES


def test_a_text_like_no_code_gets_no_suggestion() -> None:
    with pytest.raises(ValueError, match=r"'!!' is no language code of Whisper$"):
        check_code("!!")


def test_early_flags_need_so_much_speech_as_their_ids() -> None:
    assert [Audio(early_seconds=seconds).early_seconds for seconds in (0, 3, 8)] == [0, 3, 8]
    with pytest.raises(ValueError, match="at least 3"):
        Audio(early_seconds=2.9)
