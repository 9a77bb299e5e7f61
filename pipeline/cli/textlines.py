"""Texts by the line: plain, or one JSON object each."""

from collections.abc import Iterable, Iterator
from queue import Empty, Queue
from threading import Thread
from typing import Annotated

from msgspec import Meta, MsgspecError, Struct, json

from pipeline.errors import TextError
from pipeline.judge.texts import Text
from pipeline.messages import Name

MAX_CHARACTERS = 100_000
Numbered = tuple[int, bytes]


class JsonText(Struct):
    """Keys beyond these are ignored: data sets have ids and labels of their own."""

    text: str
    language: Annotated[str, Meta(pattern=r"^[A-Za-z]{2,3}$")] | None = None
    room_type: Name | None = None


def text_of(raw: bytes, number: int, room_type: str) -> Text:
    """The text on line `number` (from 1); raises TextError, which names the line."""
    try:
        line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise TextError(
            f"Line {number} is not UTF-8 (byte {error.start + 1} of it)", "Convert it: iconv -t UTF-8."
        ) from error
    if len(line) > MAX_CHARACTERS:
        raise TextError(f"Line {number} has {len(line):,} characters", f"Cut it: {MAX_CHARACTERS:,} are the most.")
    if not line.lstrip().startswith("{"):
        return Text(line, room_type=room_type)
    try:
        found = json.decode(line, type=JsonText)
    except MsgspecError as error:
        raise TextError(
            f"Line {number} is no JSON object with a text: {error}", 'Write {"text": "…", "language": "zh"}.'
        ) from error
    return Text(found.text, found.language and found.language.lower(), found.room_type or room_type)


def batches(lines: Iterable[bytes], size: int) -> Iterator[list[Numbered]]:
    """Numbered lines, in order, as many at once as have come in, `size` at most: a slow writer is answered at once."""
    waiting: Queue[Numbered | Exception | None] = Queue(maxsize=4 * size)
    Thread(target=_read, args=(lines, waiting), daemon=True).start()
    while first := waiting.get():
        yield [_line(first), *_others(waiting, size - 1)]


def _read(lines: Iterable[bytes], waiting: "Queue[Numbered | Exception | None]") -> None:
    try:
        for numbered in enumerate(lines, start=1):
            waiting.put(numbered)
        waiting.put(None)
    except Exception as error:  # handed to the thread that judges, which would wait for ever else
        waiting.put(error)


def _others(waiting: "Queue[Numbered | Exception | None]", most: int) -> Iterator[Numbered]:
    for _ in range(most):
        try:
            found = waiting.get_nowait()
        except Empty:
            return
        if found is None:
            waiting.put(None)
            return
        yield _line(found)


def _line(found: Numbered | Exception) -> Numbered:
    if isinstance(found, OSError):
        raise TextError(f"The texts cannot be read on: {found}") from found
    if isinstance(found, Exception):
        raise found
    return found
