import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.speech.asr.hallucinations import HallucinationGuards, collapse, loop_of
from tests.pipeline.speech.asr.parts import recognition

GUARDS = HallucinationGuards()


@pytest.mark.parametrize(
    ("text", "once"),
    [
        ("I will find you. " * 6, "I will find you."),
        ("so then " + "no, " * 12 + "we left", "so then no, we left"),
        ("你给我等着" * 5, "你给我等着"),
        ("他说" + "哈" * 20 + "走了", "他说哈走了"),
        ("give me the number please", "give me the number please"),
        ("no no no, not that one", "no no no, not that one"),
        ("bye bye bye bye", "bye bye bye bye"),
        ("", ""),
    ],
)
def test_a_loop_is_one_turn(text: str, once: str) -> None:
    assert collapse(text).strip() == once


@given(st.lists(st.sampled_from("abc"), max_size=60))
def test_collapsing_ends_and_leaves_no_loop(words: list[str]) -> None:
    left = collapse(" ".join(words)).split()
    assert loop_of(left) is None
    assert set(left) == set(words)


@pytest.mark.parametrize(
    "text",
    [
        "Thank you for watching!",
        "Thanks for watching. Please subscribe!",
        "字幕由Amara.org社区提供",
        "請不吝點贊 訂閱 轉發 打賞支持明鏡與點點欄目",
        "感谢观看 下期再见",
        "Subtitles by the Amara.org community",
    ],
)
def test_credits_are_marked_however_sure_the_recogniser_is(text: str) -> None:
    assert GUARDS.marks(recognition(text)) == ("silence_phrase",)


@pytest.mark.parametrize("text", ["Thank you.", "谢谢大家", "You", "Bye. Bye bye."])
def test_polite_words_are_marked_only_in_doubt(text: str) -> None:
    assert GUARDS.marks(recognition(text)) == ()
    assert GUARDS.marks(recognition(text, no_speech=0.5)) == ("silence_phrase",)


@pytest.mark.parametrize(
    "text", ["Subtitles by me, are your parents home?", "中文字幕，别告诉你爸妈", "词曲都是我写的"]
)
def test_nobody_hides_behind_the_beginning_of_credits(text: str) -> None:
    assert GUARDS.marks(recognition(text)) == ()
    assert GUARDS.marks(recognition(text, no_speech=0.5)) == ("silence_phrase",)


@pytest.mark.parametrize("text", ["Thank you for watching my dog", "你订阅了吗", "Who wrote the subtitles", ""])
def test_what_people_say_is_not_marked(text: str) -> None:
    assert GUARDS.marks(recognition(text, no_speech=0.5)) == ()


def test_the_recognisers_own_signs_are_marked() -> None:
    assert GUARDS.marks(recognition("hm", avg_logprob=-1.4, no_speech=0.8)) == ("no_speech", "low_confidence")
    assert GUARDS.marks(recognition("hm", avg_logprob=-1.4)) == ("low_confidence",)
    assert GUARDS.marks(recognition("hm", no_speech=0.8)) == ()
    assert GUARDS.marks(recognition("x y " * 30, compression_ratio=9.0)) == ("repetition",)


def test_long_credits_end_quickly() -> None:
    assert GUARDS.marks(
        recognition("字幕组" * 3 + "字幕制作" * 3 + "说的话" * 3 + "一二三四五" * 3 + "甲乙丙丁" * 3, no_speech=0.5)
    )
