"""Read verdicts as they happen, from `GET /v1/verdicts`: server-sent events (WHATWG HTML, "Server-sent events")."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pipeline.base.errors import ConfigError, InputError, VoxwardenError
from pipeline.base.libraries import install_extra
from pipeline.base.recent_dict import RecentDict
from pipeline.base.url_secrets import without_secrets
from pipeline.connect.client.reconnecting import Reconnecting

if TYPE_CHECKING:
    import httpx

KIND = "flag.raised"

SILENT_SECONDS = 45.0
"""The server sends a comment every 15 s, so a longer silence means that the connection is lost."""

FIRST_ANSWER_SECONDS = 10.0
"""An API that does not answer for so long, and never has, is not at this address."""

REMEMBERED = 10_000
"""Ids of verdicts that are remembered. After a reconnect, the server sends the verdicts of the last seconds again."""

ADDRESS = re.compile(r"https?://[^\s/?#]+(?:/[^\s?#]*)?")

MAX_BYTES = 1_048_576
"""Limit for one event. A verdict has less than 20 kB."""

LINE_END = re.compile(rb"\r\n|\r|\n")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event. `id` is the newest id of the stream; empty: none."""

    kind: str
    data: str
    id: str


class BrokenStreamError(VoxwardenError):
    """The stream is not one of server-sent events."""


class EventParser:
    """Takes the bytes of a stream in pieces of any length.

    It ignores the field `retry`: the pauses of `Reconnecting` grow, so they suit a server in trouble better.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._size = 0
        """Bytes of the lines of the present event."""
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
        elif name == "id" and "\0" not in value:  # the standard says so; the id comes back to the server in a header
            self._id = value

    def _dispatched(self) -> Iterator[ServerEvent]:
        if self._data:  # the standard: an event without data is none, but its id stays in force
            yield ServerEvent(self._kind or "message", "\n".join(self._data), self._id)
        self._size, self._kind, self._data = 0, "", []

    def _check(self, more: int) -> None:
        if self._size + more > MAX_BYTES:
            raise BrokenStreamError(f"A server-sent event has more than {MAX_BYTES:,} bytes", "Check the address.")


class VerdictStream:
    """The verdicts of one room, or of all: `async for verdict in stream`. It connects again as often as needed.

    Each verdict is a dict with the fields of a flag and the id of its `case`; docs/integrate.md describes it. A verdict
    comes once, and again if more words make it worse. Store `last_event_id` to continue after a restart; then some
    verdicts may come a second time. `url` is the address of the API, e.g. http://127.0.0.1:8090. Raises InputError if
    the API refuses the stream, StreamError if nobody answers at first, and ConfigError if httpx is not installed.
    """

    def __init__(self, url: str, token: str, *, room: str | None = None, last_event_id: str | None = None) -> None:
        self.last_event_id = last_event_id
        """Id of the last verdict; None: there was none."""
        self._address = f"{_checked(url)}/v1/verdicts"
        self._room = {} if room is None else {"room": room}
        self._token = token
        self._seen = RecentDict[tuple[str, str], None](REMEMBERED)
        self._reconnecting = Reconnecting(f"The API at {without_secrets(url)}", FIRST_ANSWER_SECONDS)
        self._client: httpx.AsyncClient

    async def __aenter__(self) -> Self:
        try:
            import httpx
        except ModuleNotFoundError as error:
            raise ConfigError("httpx is not installed", f"Install it: {install_extra('reader')}.") from error
        # Only reading may take long. 10 s to connect are enough, and then a pause follows.
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(10.0, read=SILENT_SECONDS))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    def __aiter__(self) -> AsyncGenerator[dict[str, Any], None]:
        return self.verdicts()

    async def verdicts(self) -> AsyncGenerator[dict[str, Any], None]:
        """Yield each verdict. `async for verdict in stream` does the same."""
        import httpx

        while True:
            fault: Exception = OSError("the stream ended")
            try:
                async for event in self._events():
                    if (verdict := self._verdict(event)) is not None:
                        yield verdict
            except (httpx.TransportError, BrokenStreamError) as error:  # InputError is final
                fault = error
            await asyncio.sleep(self._reconnecting.pause_after(fault))

    async def _events(self) -> AsyncIterator[ServerEvent]:
        """Yield the events of one connection."""
        headers = {"authorization": f"Bearer {self._token}", "accept": "text/event-stream"}
        if self.last_event_id:
            headers["last-event-id"] = self.last_event_id
        parser = EventParser()
        async with self._client.stream("GET", self._address, params=self._room, headers=headers) as answer:
            await _check(answer)
            self._reconnecting.connected()
            async for piece in answer.aiter_bytes():
                for event in parser.feed(piece):
                    yield event

    def _verdict(self, event: ServerEvent) -> dict[str, Any] | None:
        """Return the verdict of an event; None for another event, or a verdict that came before."""
        # The id moves on also past an event that is skipped, or each reconnect would bring it again.
        found = _data_of(event) if event.kind == KIND else None
        if event.id:
            self.last_event_id = event.id
        # More words can make a flag worse. Then it comes again, with another suggestion, or fit for an action.
        key = (found["id"], f"{found.get('suggestion')} {bool(found.get('act'))}") if found else ("", "")
        if found is None or key in self._seen:
            return None
        self._reconnecting.progressed()
        self._seen[key] = None
        return found


def _data_of(event: ServerEvent) -> dict[str, Any] | None:
    try:
        found = json.loads(event.data)["data"]
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("id"), str):
        log.warning("an event of the stream is no verdict; it is skipped")
        return None
    return found


def _checked(url: str) -> str:
    if not ADDRESS.fullmatch(url):
        raise InputError(f"{url!r} is not the address of an API", "It is like http://127.0.0.1:8090.")
    return url.rstrip("/")


async def _check(answer: "httpx.Response") -> None:
    """Raise InputError if the API refuses the stream. A server error or 429 is tried again."""
    import httpx

    status = answer.status_code
    if status == 429 or status >= 500:
        # An error of the transport, so that `verdicts` handles it like a lost connection.
        raise httpx.ReadError(f"the API answers {status}")
    if status != 200:
        await answer.aread()  # httpx reads no body of a stream before `text`
        raise InputError(
            f"The API refuses the stream with status {status}: {_said(answer).rstrip('.')}",
            "Use the address of the API, and a token of api.tokens with the scope verdicts.",
        )


def _said(answer: "httpx.Response") -> str:
    """Return the message of an error of the API, or the text of another server's answer."""
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return answer.text[:200]
