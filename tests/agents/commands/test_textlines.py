"""Texts are read from lines of any kind, as they arrive and in bounded memory, and a mistake names its line."""

import io
import json
import tracemalloc
from collections.abc import Iterable, Iterator
from threading import Event
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.commands.textlines import MAX_BYTES, MAX_CHARACTERS, InputPlace, batches, lines_of, text_of
from pipeline.base.errors import TextError
from pipeline.judge.text_transcripts import Text

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=60)
LANGUAGES = st.none() | st.text("abcXYZ", min_size=2, max_size=3)
IDS = st.none() | st.text("id-7", max_size=5) | st.integers(-(2**63), 2**64 - 1)


@given(WORDS.filter(lambda text: not text.lstrip().startswith("{")), st.sampled_from(["", "\n", "\r\n"]))
def test_a_line_that_is_no_object_is_the_text_itself(text: str, end: str) -> None:
    assert text_of((text + end).encode(), 2, "kids") == (InputPlace(2), Text(text, room_type="kids"))


@given(st.text(st.characters(codec="utf-8"), max_size=60), LANGUAGES, IDS, st.booleans())
def test_an_object_gives_text_language_and_id_back(text: str, language: str | None, name: object, ascii_: bool) -> None:
    line = json.dumps({"text": text, "language": language, "id": name, "other": [1]}, ensure_ascii=ascii_)
    place, found = text_of(line.encode(), 3, "default")
    assert place == InputPlace(3, name)  # type: ignore[arg-type]
    assert found == Text(text, language and language.lower(), room_type="default")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"speaker": "ann", "room": "r", "start": 2.5}, Text("hi", room="r", speaker="ann", start=2.5)),
        ({"speaker": 7, "room": 3, "start": 2}, Text("hi", room="3", speaker="7", start=2.0)),
        ({"speaker": 0}, Text("hi", speaker="0")),
        ({"speaker": None, "room": None, "start": None}, Text("hi")),
        ({"room": "r", "start": 2.5}, Text("hi")),
    ],
)
def test_a_speaker_makes_a_text_speech_of_a_room(line: dict[str, object], expected: Text) -> None:
    """The results of `voxwarden judge --format jsonl` have null there, and can be judged again."""
    assert text_of(json.dumps({"text": "hi"} | line).encode(), 1, "default")[1] == expected


@given(st.binary(max_size=80) | st.binary(max_size=40).map(lambda data: b'{"text": ' + data))
def test_any_line_is_a_text_or_an_error_that_names_it(raw: bytes) -> None:
    told = "Line 7 "
    try:
        assert text_of(raw, 7, "default")[0].line == 7
    except TextError as error:
        told = str(error)
    assert told.startswith("Line 7 ")


@pytest.mark.parametrize(("number", "text"), [(1, "hello"), (2, "\ufeffhello")])
def test_only_the_first_line_may_begin_with_a_byte_order_mark(number: int, text: str) -> None:
    assert text_of(b"\xef\xbb\xbfhello\n", number, "default")[1].text == text


def test_a_text_may_have_as_many_characters_as_the_limit() -> None:
    assert len(text_of(b"x" * MAX_CHARACTERS, 1, "default")[1].text) == MAX_CHARACTERS
    with pytest.raises(TextError, match="Line 1 has 100,001 characters"):
        text_of(b"x" * (MAX_CHARACTERS + 1), 1, "default")
    with pytest.raises(TextError, match="Line 1 has more than 1,048,576 bytes"):
        text_of(b"x" * (MAX_BYTES + 1), 1, "default")


@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=10))
def test_lines_are_divided_at_line_breaks_only(lines: list[bytes]) -> None:
    assert list(lines_of(io.BytesIO(b"".join(line + b"\n" for line in lines)))) == [line + b"\n" for line in lines]


@pytest.mark.parametrize("size", [MAX_BYTES - 1, MAX_BYTES, MAX_BYTES + 1, 2 * MAX_BYTES + 1, 2 * MAX_BYTES + 2])
def test_a_long_line_does_not_shift_the_lines_after_it(size: int) -> None:
    long, after = lines_of(io.BytesIO(b"x" * size + b"\nafter\n"))
    assert long == (b"x" * size + b"\n")[: MAX_BYTES + 1]
    assert after == b"after\n"


@given(st.lists(st.binary(max_size=3), max_size=40), st.integers(1, 9))
def test_batches_hold_every_line_once_with_its_number(lines: list[bytes], size: int) -> None:
    found = list(batches(lines, size))
    assert [each for batch in found for each in batch] == list(enumerate(lines, start=1))
    assert all(0 < len(batch) <= size for batch in found)


def test_a_line_beyond_the_limit_is_never_held_in_memory() -> None:
    class Endless(io.RawIOBase):
        """A stream of 64 MiB without a line break. It exists only while it is read."""

        left = 2**26

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            size = min(len(buffer), self.left)
            buffer[:size] = bytes(size)  # the buffer has old content, in which a line may end
            self.left -= size
            return size

    tracemalloc.start()
    try:
        (line,) = lines_of(io.BufferedReader(Endless(), 2**16))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(line) == MAX_BYTES + 1
    assert most < 8 * MAX_BYTES


def test_a_slow_writer_gets_answers_before_it_ends() -> None:
    answered = Event()

    def slow() -> Iterator[bytes]:
        yield b"one\n"
        answered.wait(30)
        yield b"two\n"

    found = batches(slow(), 32)
    assert next(found) == [(1, b"one\n")]
    answered.set()
    assert list(found) == [[(2, b"two\n")]]


def test_an_input_that_breaks_is_an_error_and_not_an_end() -> None:
    def broken() -> Iterator[bytes]:
        yield b"one\n"
        raise OSError("the disk is gone")

    with pytest.raises(TextError, match="Reading the texts failed: the disk is gone"):
        list(batches(broken(), 8))


@given(st.lists(st.binary(max_size=3), max_size=20), st.integers(1, 30))
def test_the_lines_before_a_break_are_given(lines: list[bytes], size: int) -> None:
    def broken() -> Iterable[bytes]:
        yield from lines
        raise OSError("the disk is gone")

    found: list[bytes] = []
    with pytest.raises(TextError, match="the disk is gone"):
        found.extend(line for batch in batches(broken(), size) for _, line in batch)
    assert found == lines
