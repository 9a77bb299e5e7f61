"""Parse server-sent events from bytes (WHATWG HTML, "Server-sent events")."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.base.errors import VoxwardenError

MAX_BYTES = 1_048_576
"""Limit for one event. An event of the verdict stream has less than 20 kB."""

LINE_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event. `id` is the newest id of the stream; empty: none."""

    kind: str
    data: str
    id: str


class BrokenStreamError(VoxwardenError):
    """The stream is not one of server-sent events."""


class EventParser:
    """Takes the bytes of a stream in pieces of any length. `retry` is the pause in seconds that the server asks for."""

    def __init__(self) -> None:
        self.retry: float | None = None
        self._rest = bytearray()
        self._size = 0
        self._id = ""
        self._kind = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        """Yield the events that a piece completes. Raises BrokenStreamError for an event that is too large."""
        scanned = max(0, len(self._rest) - 1)  # a carriage return may wait for its line feed
        self._rest += piece
        begin = 0
        for end in LINE_END.finditer(self._rest, scanned):
            if end.end() == len(self._rest) and end[0] == b"\r":
                break  # the line feed may come with the next piece
            line, begin = bytes(self._rest[begin : end.start()]), end.end()
            yield from self._line(line)
        self._rest = self._rest[begin:]
        self._check(len(self._rest))

    def _line(self, line: bytes) -> Iterator[ServerEvent]:
        if not line:
            yield from self._dispatched()
            return
        self._size += len(line)
        self._check(0)
        name, _, value = line.decode(errors="replace").partition(":")
        self._field(name, value.removeprefix(" "))

    def _field(self, name: str, value: str) -> None:
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._kind = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdecimal() and len(value) < 9:
            self.retry = int(value) / 1_000

    def _dispatched(self) -> Iterator[ServerEvent]:
        if self._data:
            yield ServerEvent(self._kind or "message", "\n".join(self._data), self._id)
        self._size, self._kind, self._data = 0, "", []

    def _check(self, more: int) -> None:
        if self._size + more > MAX_BYTES:
            raise BrokenStreamError(f"A server-sent event has more than {MAX_BYTES:,} bytes", "Check the address.")
