"""A row of the queue shows the part of the transcript around the first hit."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.console.desk.queue_rows import AROUND, LONGEST, TextPiece, excerpt, pieces, rows
from pipeline.contract.messages import Hit
from pipeline.review.cases.values import Case
from tests.builders import case

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
    found = pieces(of.text, of.hits, start, end)
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
    assert len(shown) <= LONGEST
    assert shown in of.text
    assert before == (not of.text.startswith(shown) or len(shown) < min(len(of.text), LONGEST))
    assert after == (not of.text.endswith(shown))
    first = min((one.start for one in of.hits), default=0)
    assert of.text[first : first + LONGEST - AROUND] in shown


@pytest.mark.parametrize(
    ("text", "hits", "shown"),
    [
        ("", (), ()),
        ("plain", (), (("plain", False),)),
        ("弄死你 a", (hit(0, 3),), (("弄死你", True), (" a", False))),
        ("x" * 30 + "YY", (hit(30, 32),), (("…", False), ("x" * AROUND, False), ("YY", True))),
        ("x" * 100, (), (("x" * LONGEST, False), ("…", False))),
        ("aabb", (hit(0, 2), hit(2, 4)), (("aabb", True),)),
    ],
)
def test_excerpts_written_by_hand(text: str, hits: tuple[Hit, ...], shown: tuple[tuple[str, bool], ...]) -> None:
    assert excerpt(case(text=text, hits=hits)) == tuple(TextPiece(*piece) for piece in shown)


def test_strikes_belong_to_the_speaker_and_a_holder_to_the_case() -> None:
    found = rows([case(text="a"), case(text="b", id="d", speaker="bob")], {"bob": 2}, {"c": "ana"}, {"d": "ben"})
    assert [(row.case.id, row.strikes, row.holder, row.owner) for row in found] == [
        ("c", 0, "ana", ""),
        ("d", 2, "", "ben"),
    ]
