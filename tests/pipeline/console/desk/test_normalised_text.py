"""The normalised form has each disguised term as the lexicon spells it, and its hits at the right places."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.console.desk.normalised_text import normalised
from pipeline.contract.messages import Flag, Hit
from pipeline.judge.matcher import Matcher, Term
from tests.builders import flag

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
