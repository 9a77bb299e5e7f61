from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.settings.speech import Chinese
from pipeline.speech.languages.zh.script import SCRIPT, has_han, readings, sounds


def test_traditional_characters_are_folded_one_by_one() -> None:
    assert SCRIPT.fold("請") == "请"
    assert SCRIPT.fold("請問 abc") == "请问 abc"
    assert SCRIPT.fold("naïve") == "naïve"


def test_a_traditional_text_is_converted_as_a_whole() -> None:
    assert SCRIPT.converted("他看著我們") == "他看着我们"
    assert SCRIPT.converted("他看着土著") == "他看着土著"


def test_a_zero_byte_hides_nothing() -> None:
    assert SCRIPT.converted("你\0們") == "你\0们"


def test_a_term_without_chinese_has_no_sound() -> None:
    assert SCRIPT.readings("hello") == set()
    assert SCRIPT.syllables("加v信") == 2


@pytest.mark.parametrize(("variant", "text"), [("simplified", "这里欢迎你。"), ("traditional", "這裡歡迎你。")])
def test_whatever_whisper_chose_a_transcript_has_one_variant(variant: Chinese, text: str) -> None:
    assert SCRIPT.written("这里欢迎你.", variant) == text
    assert SCRIPT.written("這裡歡迎你.", variant) == text


def test_marks_beside_han_characters_have_full_width() -> None:
    assert SCRIPT.written("赚300,是吗.好:再见!", "simplified") == "赚300，是吗。好：再见！"
    assert SCRIPT.written("3.5, ok, 好v.com", "simplified") == "3.5, ok, 好v.com"


MIXED = st.text(st.one_of(st.characters(min_codepoint=0x3400, max_codepoint=0x9FFF), st.characters(codec="utf-8")))


@given(MIXED, st.sampled_from(["simplified", "traditional"]))
def test_a_written_text_keeps_its_length(text: str, variant: Chinese) -> None:
    """So words stay in their places. In OpenCC's tables, no entry is longer or shorter than its key."""
    assert len(SCRIPT.written(text, variant)) == len(text)


def test_homophones_sound_alike_and_others_do_not() -> None:
    assert sounds("农丝你") == sounds("弄死你")
    assert sounds("加威信") == sounds("加微信")
    assert sounds("杀了你") != sounds("砍了你")


def test_a_text_by_sound_keeps_its_places_and_its_other_characters() -> None:
    assert len(sounds("加v信 ok")) == len("加v信 ok")
    assert sounds("加v信 ok")[1] == "v"
    assert sounds("no han") == "no han"


def test_a_phrase_is_read_in_context_and_by_character() -> None:
    assert sounds("银行") in readings("银行")
    assert len(readings("音乐家")) == 2
    assert readings("㐀㐁") == {sounds("㐀㐁")}


def test_threads_agree_on_syllables() -> None:
    text = "".join(chr(code) for code in range(0x4E00, 0x5200))
    with ThreadPoolExecutor(8) as pool:
        heard = set(pool.map(sounds, [text] * 16))
    assert len(heard) == 1


def test_has_han() -> None:
    assert has_han("ok 好")
    assert not has_han("ok ひ")
