"""What sounds alike is spelt alike, and nothing that is not Chinese is changed but for capitals and marks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.judge.pinyin import han_count
from pipeline.judge.sounds import MARK, spelt, syllable, syllables
from pipeline.judge.view import view


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("你这个傻逼", "你这个沙比"),  # the same sounds
        ("是不是", "四不四"),  # sh and s
        ("牛奶", "流来"),  # n and l
        ("上床", "桑传"),  # ang and an
        ("生命", "森民"),  # eng and en, ing and in
        ("我，去！", "我 去"),
        ("賭博", "赌博"),
        ("加 VX 聊", "加vx聊"),
    ],
)
def test_what_sounds_alike_is_spelt_alike(one: str, other: str) -> None:
    assert spelt(one).replace(" ", "") == spelt(other).replace(" ", "")


@pytest.mark.parametrize(("one", "other"), [("你好", "好你"), ("再见", "再贱人"), ("ok", "no"), ("班", "帮忙")])
def test_what_sounds_otherwise_is_not(one: str, other: str) -> None:
    assert spelt(one) != spelt(other)


def test_a_spelling_can_be_read() -> None:
    assert spelt("今天晚上打Game吧！ OK?") == "·jin·tian·wan·san·da game ·ba ok"
    assert spelt("!?") == ""


def test_syllables_lose_tone_and_accent() -> None:
    assert [syllable(character) for character in "中女娘兴昂x"] == ["zong", "lv", "lian", "xin", "an", "x"]


def test_a_text_has_the_syllables_of_its_spelling() -> None:
    assert syllables("▁今天ok") == syllables(spelt("今天ok")) == ["jin", "tian"]
    assert syllables("ok") == []


@given(st.text(max_size=60).filter(lambda text: MARK not in text))
def test_any_text_can_be_spelt(text: str) -> None:
    assert len(syllables(spelt(text))) == len(syllables(text)) == han_count(view(text).lower())
