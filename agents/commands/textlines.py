"""Read texts from lines: plain text, or one JSON object in each line."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from queue import Empty, Queue
from threading import Thread
from typing import Annotated, Any, BinaryIO

from msgspec import DecodeError, Meta, Struct

from pipeline.base.errors import TextError
from pipeline.base.json_reading import read_json
from pipeline.contract.messages import Name, Seconds
from pipeline.judge.text_transcripts import Text

MAX_CHARACTERS = 100_000
# The most bytes in one line. They suffice for MAX_CHARACTERS escapes and for other keys.
MAX_BYTES = 2**20
Numbered = tuple[int, bytes]

# The start of a JSON object. `{lol} you idiot` is a text, not JSON.
OBJECT = re.compile(r'\s*\{\s*("|\}\s*$)')


@dataclass(frozen=True, slots=True)
class InputPlace:
    """The text to which a result belongs."""

    line: int
    """Line number, from 1."""
    id: str | int | float | None = None
    """The id of the JSON object."""


class JsonText(Struct):
    """A line as a JSON object. Other keys are ignored, because data sets have their own."""

    text: str
    id: Any = None
    language: Annotated[str, Meta(pattern=r"^[A-Za-z]{2,3}$")] | None = None
    room_type: Name | None = None
    room: Name | int | None = None
    speaker: Name | int | None = None
    start: Seconds | None = None


def text_of(raw: bytes, number: int, room_type: str) -> tuple[InputPlace, Text]:
    """Return the text on line `number` (from 1). Raises TextError, which names the line."""
    if len(raw) > MAX_BYTES:
        raise TextError(f"Line {number} has more than {MAX_BYTES:,} bytes", "Split it into several lines.")
    try:
        line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")  # a byte order mark begins some files
    except UnicodeDecodeError as error:
        raise TextError(
            f"Line {number} is not UTF-8 (byte {error.start + 1} of it)", "Convert it: iconv -t UTF-8."
        ) from error
    if len(line) > MAX_CHARACTERS:
        raise TextError(
            f"Line {number} has {len(line):,} characters",
            f"Split it into several lines. The limit is {MAX_CHARACTERS:,}.",
        )
    if not OBJECT.match(line):
        return InputPlace(number), Text(line, room_type=room_type)
    found = _parsed(line, number)
    place = InputPlace(number, found.id if isinstance(found.id, str | int | float) else None)
    said = Text(found.text, found.language and found.language.lower(), found.room_type or room_type)
    if found.speaker is None:
        return place, said
    room = said.room if found.room is None else str(found.room)
    return place, replace(said, room=room, speaker=str(found.speaker), start=found.start or 0.0)


def _parsed(line: str, number: int) -> JsonText:
    try:
        return read_json(line, JsonText)
    except DecodeError as error:
        raise TextError(
            f"Line {number} is not a JSON object with a text: {error}", 'Write {"text": "…", "language": "zh"}.'
        ) from error


def lines_of(stream: BinaryIO) -> Iterator[bytes]:
    """Yield lines as they arrive. A line longer than `MAX_BYTES` is cut."""
    while line := stream.readline(MAX_BYTES + 1):  # one byte more shows that a line is too long
        rest = line
        while len(rest) > MAX_BYTES and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_BYTES + 1)
        yield line


def batches(lines: Iterable[bytes], size: int) -> Iterator[list[Numbered]]:
    """Yield numbered lines, in order, in batches of at most `size`."""
    # A batch has only the lines that have arrived, so that a slow writer gets each answer at once.
    waiting: Queue[Numbered | Exception | None] = Queue(maxsize=4 * size)
    Thread(target=_read, args=(lines, waiting), daemon=True).start()
    while first := waiting.get():
        yield [_line(first), *_others(waiting, size - 1)]


def _read(lines: Iterable[bytes], waiting: "Queue[Numbered | Exception | None]") -> None:
    try:
        for numbered in enumerate(lines, start=1):
            waiting.put(numbered)
        waiting.put(None)
    except Exception as error:  # raised again in the judging thread, which would otherwise wait for ever
        waiting.put(error)


def _others(waiting: "Queue[Numbered | Exception | None]", most: int) -> Iterator[Numbered]:
    for _ in range(most):
        try:
            found = waiting.get_nowait()
        except Empty:
            return
        if found is None or isinstance(found, Exception):  # the lines before it come first
            waiting.put(found)
            return
        yield found


def _line(found: Numbered | Exception) -> Numbered:
    if isinstance(found, OSError):
        raise TextError(f"Reading the texts failed: {found}") from found
    if isinstance(found, Exception):
        raise found
    return found
