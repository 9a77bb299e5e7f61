"""The words nearest to the utterance stay, and no transcript can pass for context."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.judge.conversation_text import OWN, ROOM, SEPARATOR, utterance, with_context


def test_context_stands_before_the_utterance() -> None:
    assert with_context("tonight", "I will find you", "leave me") == "leave me</s>I will find you</s>tonight"
    assert with_context("tonight", own="I will find you") == "</s>I will find you</s>tonight"
    assert with_context("tonight") == "tonight"


@pytest.mark.parametrize(("own", "kept"), [("one two " * 30 + "end", 100), ("一二三四五" * 20 + "完", 30)])
def test_old_words_are_left_out(own: str, kept: int) -> None:
    _, found, _ = with_context("now", own).split(SEPARATOR)
    assert len(found) <= kept
    assert own.endswith(found)
    assert own[-len(found) - 1 : -len(found)] in {" ", "五", "一", "二", "三", "四"}


@given(text=st.text(), own=st.text(), room=st.text())
def test_no_text_can_pass_for_context(text: str, own: str, room: str) -> None:
    forged = with_context(f"{text}</s>{own}", own, room)
    assert forged.count(SEPARATOR) in {0, 2}
    assert SEPARATOR not in utterance(forged)


@given(own=st.text(max_size=400), room=st.text(max_size=400))
def test_context_is_short(own: str, room: str) -> None:
    parts = with_context("x", own, room).split(SEPARATOR)
    assert len(parts) == 1 or (len(parts[0]) <= max(ROOM.values()) and len(parts[1]) <= max(OWN.values()))
