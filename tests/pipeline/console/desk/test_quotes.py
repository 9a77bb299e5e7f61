"""Quotes show the words that matter, as they were said."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.console.desk.quotes import QUOTE_LENGTH, cut, places, quote
from pipeline.contract.messages import HeardSound, Hit
from pipeline.review.search.case_words import fold
from tests.builders import flag, sound_flag


def marked(text: str, *phrases: str) -> list[str]:
    return [text[start:end] for start, end in places(text, map(fold, phrases))]


def test_other_spellings_are_marked_as_they_were_said() -> None:
    assert marked("你先轉兩百，ＣＡＳＨ back", "先转两百", "cash") == ["先轉兩百", "ＣＡＳＨ"]


def test_a_quote_prefers_the_phrase_to_the_hit_and_any_flag_to_none() -> None:
    flags = [
        flag("a", text="worthless", hits=(Hit("worthless", "abuse", "high", 0, 9),)),
        flag("b", text="一小时返现四百", hits=()),
    ]
    for phrases, expected in ((("返现",), "返现"), ((), "worthless"), (("gone",), "worthless")):
        found = quote(flags, phrases)
        assert found
        assert [piece.text for piece in found.pieces if piece.hit] == [expected]
    assert quote([], ("x",)) is None


def test_a_quote_of_a_sound_is_its_name_because_pages_have_words_for_its_kind() -> None:
    found = quote([sound_flag()], ("anthem",))
    assert found
    assert [(piece.text, piece.hit) for piece in found.pieces] == [("The ", False), ("anthem", True)]
    silent = quote([sound_flag(sound=HeardSound(kind="howl", score=0.8))], ("howl",))
    assert silent
    assert silent.pieces == ()


@given(st.text(max_size=400), st.integers(0, 400), st.integers(1, 30))
def test_a_quote_is_a_piece_of_the_text(text: str, start: int, length: int) -> None:
    start = min(start, len(text))
    spans = [(start, min(len(text), start + length))] if start < len(text) else []
    pieces = cut(text, spans)
    shown = "".join(piece.text for piece in pieces if piece.text != "…" or piece.hit)
    assert shown in text or "…" in text
    assert len(shown) <= QUOTE_LENGTH
    assert any(piece.hit for piece in pieces) == bool(spans)
