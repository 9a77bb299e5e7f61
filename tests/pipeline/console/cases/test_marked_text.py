"""Excerpts and quotes show the words that matter as they were said, and the normalised form as they were read."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.console.cases.marked_text import (
    AHEAD,
    EXCERPT_LENGTH,
    QUOTE_LENGTH,
    ROW,
    TextPiece,
    cut,
    excerpt,
    hits,
    normalised,
    pieces,
    places,
    quote,
)
from pipeline.contract.messages import Flag, HeardSound, Hit
from pipeline.judge.matcher import Matcher, Term
from pipeline.review.cases.case_values import Case
from pipeline.review.search.case_words import fold
from tests.builders import case, flag, sound_flag


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


TEXTS = st.text("ab中 \n", max_size=200)


def hit(start: int, end: int) -> Hit:
    return Hit("term", "violence", "high", start, end)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    text = draw(TEXTS)
    ends = st.integers(0, len(text))
    spans = draw(st.lists(st.tuples(ends, ends).map(sorted), max_size=4))
    return case(text=text, hits=tuple(hit(start, end) for start, end in spans))


@given(cases(), st.integers(0, 200), st.integers(0, 200))
def test_pieces_are_the_text_and_change_where_hits_begin_and_end(of: Case, first: int, last: int) -> None:
    start, end = sorted((min(first, len(of.text)), min(last, len(of.text))))
    found = pieces(of.text, hits(of.hits), start, end)
    assert "".join(piece.text for piece in found) == of.text[start:end]
    bold = [piece.hit for piece in found for _ in piece.text]
    assert bold == [any(one.start <= at < one.end for one in of.hits) for at in range(start, end)]
    assert all(piece.text for piece in found)
    assert all(one.hit != other.hit for one, other in pairwise(found))


@given(cases())
def test_an_excerpt_is_short_and_shows_where_text_is_left_out(of: Case) -> None:
    found = excerpt(of)
    dots = TextPiece("…", False)
    before, after = found[:1] == (dots,), len(found) > 1 and found[-1] == dots
    shown = "".join(piece.text for piece in found[before : len(found) - after])
    assert len(shown) <= EXCERPT_LENGTH
    assert shown in of.text
    assert before == (not of.text.startswith(shown) or len(shown) < min(len(of.text), EXCERPT_LENGTH))
    assert after == (not of.text.endswith(shown))
    first = min((one.start for one in of.hits), default=0)
    assert of.text[first : first + EXCERPT_LENGTH - ROW] in shown


@pytest.mark.parametrize(
    ("text", "found", "shown"),
    [
        ("", (), ()),
        ("plain", (), (("plain", False),)),
        ("弄死你 a", (hit(0, 3),), (("弄死你", True), (" a", False))),
        # The row is full: to its end if the text goes on there, otherwise before the mark.
        ("x" * 80 + "Y" * 99, (hit(80, 179),), (("…", False), ("x" * AHEAD, False), ("Y" * 74, True), ("…", False))),
        ("x" * 80 + "YY", (hit(80, 82),), (("…", False), ("x" * (ROW - 2), False), ("YY", True))),
        ("一" * 80 + "二二", (hit(80, 82),), (("…", False), ("一" * (ROW // 2 - 2), False), ("二二", True))),
        ("x" * 30 + "YY", (hit(30, 32),), (("x" * 30, False), ("YY", True))),
        ("x" * 80 + " and YY", (hit(85, 87),), (("…", False), ("and ", False), ("YY", True))),
        ("x" * 100, (), (("x" * EXCERPT_LENGTH, False), ("…", False))),
        ("aabb", (hit(0, 2), hit(2, 4)), (("aabb", True),)),
    ],
)
def test_excerpts_written_by_hand(text: str, found: tuple[Hit, ...], shown: tuple[tuple[str, bool], ...]) -> None:
    assert excerpt(case(text=text, hits=found)) == tuple(TextPiece(*piece) for piece in shown)


TERMS = Matcher(
    [
        Term("kill yourself", "abuse", "high"),
        Term("nude*", "sexual", "high"),
        Term("弄死你", "violence", "high", by_sound=True),
        Term("傻逼", "abuse", "high"),
    ]
)


def heard(text: str) -> Flag:
    """Return the flag of a text, with the hits that the matcher finds."""
    hits = (Hit(one.term.text, one.term.label, one.level, one.start, one.end) for one in TERMS.find(text))
    return flag("a", text=text, hits=tuple(hits))


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("Go k.i.l.l yourself, OK?", "go [kill yourself], ok?"),
        ("send n.u.d.e.s and nud3s", "send [nude].s and [nude]s"),
        ("我要农死你，等着", "我要[弄死你],等着"),
        ("你个傻*逼！", "你个[傻逼]!"),
        ("Кiӏӏ? no: kіll yourself", "kiӏӏ? no: [kill yourself]"),
    ],
)
def test_disguised_terms_stand_as_the_lexicon_spells_them(said: str, read: str) -> None:
    pieces = normalised(heard(said))
    assert "".join(f"[{piece.text}]" if piece.hit else piece.text for piece in pieces) == read


@pytest.mark.parametrize("said", ["Kill yourself now", "nothing at all", "弄死你，傻逼"])
def test_nothing_is_shown_where_nothing_is_disguised(said: str) -> None:
    assert normalised(heard(said)) == ()


def test_of_overlapping_hits_the_first_and_longest_is_shown() -> None:
    hits = [Hit("b", "y", "low", 2, 3), Hit("abc", "x", "low", 0, 5), Hit("abc", "z", "low", 0, 3)]
    pieces = normalised(flag("a", text="a.b.c d", hits=tuple(hits)))
    assert [(piece.text, piece.hit) for piece in pieces] == [("abc", True), (" d", False)]


@given(st.text("ab.k1il0 傻逼*ſ①İ\u200b", max_size=40), st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9))))
def test_every_hit_that_does_not_overlap_another_one_is_marked(text: str, spans: list[tuple[int, int]]) -> None:
    hits = [Hit("term", "x", "low", at, min(len(text), at + n)) for at, n in spans if at < len(text)]
    pieces = normalised(flag("a", text=text, hits=tuple(hits)))
    apart = sum(piece.hit for piece in pieces)
    assert all(piece.text == "term" for piece in pieces if piece.hit)
    assert bool(apart) == bool(hits)
    assert apart <= len(hits)
