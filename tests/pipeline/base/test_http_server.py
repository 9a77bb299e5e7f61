"""Security headers, and the limits of a request's size and time, and of connections."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from pipeline.base import http_server, open_files
from pipeline.base.http_server import HEADERS, MAX_QUERY, Shield, listen, served

MOST = 100


async def reader(_: Scope, receive: Receive, send: Send) -> None:
    """An app that reads the whole body and answers with its length."""
    length = 0
    while (message := await receive())["type"] == "http.request":
        length += len(message["body"])
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-frame-options", b"ALLOW")]})
    await send({"type": "http.response.body", "body": str(length).encode()})


async def careless(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that answers 400 if it cannot read the body. FastAPI does so, too."""
    try:
        await reader(scope, receive, send)
    except Exception:
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body"})


async def status_of(app: Shield, pieces: Sequence[bytes], **changes: object) -> tuple[int, dict[str, str]]:
    """Send a body in pieces. Return the status and the headers of the answer."""
    waiting: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})
    answers: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        answers.append(message)

    await app({"type": "http", "path": "/", "query_string": b"", "headers": []} | changes, receive, send)
    assert [one["type"] for one in answers] == ["http.response.start", "http.response.body"]
    headers = {name.decode(): value.decode() for name, value in answers[0]["headers"]}
    return answers[0]["status"], headers


@pytest.mark.parametrize("inner", [reader, careless])
@given(lengths=st.lists(st.integers(0, 2 * MOST // 3), max_size=4))
async def test_a_body_is_counted_in_all_its_pieces(inner: object, lengths: list[int]) -> None:
    pieces = [b"x" * length for length in lengths]
    status, headers = await status_of(Shield(inner, MOST), pieces)  # type: ignore[arg-type]
    assert status == (200 if sum(lengths) <= MOST else 413)
    assert headers.items() >= HEADERS.items()


@pytest.mark.parametrize(
    ("length", "status"), [(b"100", 200), (b"101", 413), (b"9999999999", 413), (b"-1", 200), (b"x", 200)]
)
async def test_an_announced_length_above_the_limit_is_refused_unread(length: bytes, status: int) -> None:
    assert (await status_of(Shield(reader, MOST), [], headers=[(b"content-length", length)]))[0] == status


@pytest.mark.parametrize(("length", "status"), [(MAX_QUERY, 200), (MAX_QUERY + 1, 414)])
async def test_a_query_above_the_limit_is_refused(length: int, status: int) -> None:
    found, headers = await status_of(Shield(reader, MOST), [], query_string=b"q" * length)
    assert (found, headers.items() >= HEADERS.items()) == (status, True)


@pytest.mark.parametrize(("path", "kept"), [("/queue", "no-store"), ("/static/console.css", None)])
async def test_only_static_files_may_be_stored(path: str, kept: str | None) -> None:
    _, headers = await status_of(Shield(reader, MOST), [], path=path)
    assert headers.get("cache-control") == kept


Socket = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HEADER = b"POST /length HTTP/1.1\r\nHost: x\r\n"
WHOLE = HEADER + b"Content-Length: 3\r\n\r\nabc"


class Place:
    """A server on loopback, and the sockets that a test opens to it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.read = asyncio.Event()  # the app reads a body when it is set
        self.read.set()
        self.asked = asyncio.Queue[None]()  # an item for each request that has reached the app
        self.writers: list[asyncio.StreamWriter] = []

    async def opened(self, data: bytes = b"", address: str = "127.0.0.1") -> Socket:
        """Connect from an address, and send data."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))
        self.writers.append(writer)
        writer.write(data)
        return reader, writer


@asynccontextmanager
async def serving() -> AsyncIterator[Place]:
    app, listener = FastAPI(), listen("127.0.0.1", 0, "console")
    made = Place(listener.getsockname()[1])

    @app.post("/length")
    async def length(request: Request) -> int:
        made.asked.put_nowait(None)
        await made.read.wait()
        return len(await request.body())

    with listener:
        async with served(app, listener, lambda: None):
            yield made
            for writer in made.writers:
                writer.transport.abort()


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with serving() as made:
        yield made


async def answered(socket: Socket) -> bytes:
    """Return the body of an answer of one digit or more; nothing if the server hangs up instead."""
    try:
        await socket[0].readuntil(b"\r\n\r\n")
        return await socket[0].read(100)
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("data", [b"", HEADER, HEADER + b"Content-Length: 3\r\n\r\na"])
async def test_a_request_that_does_not_end_costs_the_connection(
    data: bytes, second: bool, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing, half a header and half a body, also as the second request. A whole one beside it is answered."""
    monkeypatch.setattr(http_server, "HEADER_SECONDS", 1.0)
    monkeypatch.setattr(http_server, "BODY_SECONDS", 1.0)
    reader, writer = await place.opened(WHOLE if second else b"")
    if second:
        await reader.readuntil(b"\r\n\r\n3")
    writer.write(data)
    assert await reader.read() == b""
    assert await answered(await place.opened(WHOLE)) == b"3"


async def test_a_body_for_which_the_app_is_too_slow_has_no_deadline(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "BODY_SECONDS", 0.02)
    place.read.clear()
    size = 4_000_000
    socket = await place.opened(HEADER + b"Content-Length: %d\r\n\r\n" % size + bytes(size))
    await asyncio.sleep(0.2)
    place.read.set()
    assert await answered(socket) == b"%d" % size


async def test_the_oldest_connection_without_a_request_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of one address and four in all may be open. If all wait for their answer, the newest one is refused."""
    monkeypatch.setattr(http_server, "HEADER_SECONDS", 1_000)
    monkeypatch.setattr(http_server, "ADDRESS_SHARE", 8)
    monkeypatch.setattr(open_files, "limit", lambda: 16)
    async with serving() as place:
        idle = [await place.opened(address=f"127.0.0.{address}") for address in (1, 2, 1)]
        assert await answered(await place.opened(WHOLE)) == b"3", "the third one of its address"
        assert await idle[0][0].read() == b""
        place.read.clear()
        asking = [await place.opened(WHOLE, f"127.0.0.{address}") for address in (2, 3, 3)]
        assert [await each[0].read() for each in idle[1:]] == [b"", b""], "the oldest ones in all"
        for _ in range(4):
            await place.asked.get()
        assert await answered(await place.opened(WHOLE, "127.0.0.3")) == b""
        place.read.set()
        assert [await answered(each) for each in asking] == [b"3"] * 3
