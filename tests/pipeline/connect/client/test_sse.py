"""Server-sent events, in pieces of any length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.connect.client.sse import MAX_BYTES, BrokenStreamError, EventParser, ServerEvent

LINES = st.one_of(
    st.sampled_from(["", "data: a", "data:b", "data", "event: flag.raised", "id: 7", "id", ": ping", "retry: 1000"]),
    st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=12),
)
TEXTS = st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\r"])), max_size=12).map(
    lambda lines: "".join(line + end for line, end in lines)
)


@st.composite
def pieces(draw: st.DrawFn) -> list[str]:
    text = draw(TEXTS)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    return [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


PIECES = pieces()
"""The text of a stream, cut anywhere."""


def parsed(*texts: str) -> list[ServerEvent]:
    parser = EventParser()
    return [event for text in texts for event in parser.feed(text.encode())]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_an_event_ends_with_an_empty_line(end: str) -> None:
    lines = [": hello", "id: 12", "event: flag.raised", "data: one", "data:two", "", "data: three", "", "data: unended"]
    found = parsed(end.join(lines), "" if end == "\n" else "x")
    assert found == [ServerEvent("flag.raised", "one\ntwo", "12"), ServerEvent("message", "three", "12")]


def test_a_pause_is_a_whole_number_of_milliseconds() -> None:
    parser = EventParser()
    for line, retry in (("1500", 1.5), ("soon", 1.5), ("-1", 1.5), ("9" * 99, 1.5), ("0", 0.0)):
        assert list(parser.feed(f"retry: {line}\n".encode())) == []
        assert parser.retry == retry


@given(PIECES)
def test_the_cuts_between_pieces_change_nothing(cut: list[str]) -> None:
    assert parsed(*cut) == parsed("".join(cut))


@given(st.lists(st.binary(max_size=60)))
def test_any_bytes_are_parsed(cut: list[bytes]) -> None:
    parser = EventParser()
    for piece in cut:
        assert all(event.data or event.kind for event in parser.feed(piece))


@pytest.mark.parametrize("line", ["data: " + "x" * 1_000 + "\n", "x" * 1_000, "event: " + "x" * 1_000 + "\n"])
def test_an_event_without_end_is_an_error(line: str) -> None:
    with pytest.raises(BrokenStreamError, match="1,048,576"):
        parsed(*[line] * (MAX_BYTES // 900))
