"""The HTTP server of the console and of the API, and the limits and security headers of every answer.

It runs in the event loop of its caller.
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.base import open_files
from pipeline.base.errors import DependencyError
from pipeline.base.open_files import Shares

# Python's switch interval while the server runs. After each statement a thread needs the interpreter back. With
# Python's own 5 ms, a request with 50 statements waits 250 ms beside another one that renders its page.
SWITCH_SECONDS = 0.0005
STOP_SECONDS = 3  # seconds that running requests get when the server stops
# The only header that an endpoint may set itself: the preview of a report has its own style sheet.
POLICY = "content-security-policy"
HEADERS = {
    # Scripts, styles and data come from this server only, and nothing is inline. The player fetches audio as data.
    POLICY: (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
MAX_QUERY = 4_096  # the most bytes of a query string
HEADER_SECONDS = 10.0  # time for the header of a request, from the connection or from its first byte on
# A body must bring BODY_BYTES in each BODY_SECONDS: half a kilobyte a second.
BODY_SECONDS = 30.0
BODY_BYTES = 16_384
# Parts of the open files that one server may use, in all and for one address. Console and API together leave half of
# them to the gateway, the store and the metrics.
SHARE = 4
ADDRESS_SHARE = 16


class TimedProtocol(H11Protocol):
    """A connection that ends if its request does not arrive in time, or gives way to a newer one before it has come."""

    def __init__(self, shares: "Shares[TimedProtocol]", *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shares = shares
        self._deadline: asyncio.TimerHandle | None = None
        self._watched: object = None  # the part of the request that has the deadline, in h11's words
        self._taken = 0  # bytes since the deadline was set

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the class above
        super().connection_made(transport)
        self._watch()
        gone = self._shares.add(self, self.client[0] if self.client else "")
        if gone:
            gone.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_watching()
        self._shares.discard(self)

    def data_received(self, data: bytes) -> None:
        self._taken += len(data)
        super().data_received(data)
        if self.conn.their_state is not self._watched:
            self._shares.keep(self)
            self._watch()

    def _watch(self) -> None:
        """Set a deadline for the part of the request that is on its way, if there is one."""
        self._stop_watching()
        self._watched = self.conn.their_state
        self._taken = 0
        if self._watched is h11.IDLE:
            self._deadline = self.loop.call_later(HEADER_SECONDS, self.transport.abort)
        elif self._watched is h11.SEND_BODY:
            self._deadline = self.loop.call_later(BODY_SECONDS, self._check_body)

    def _check_body(self) -> None:
        if self._taken < BODY_BYTES and not self.flow.read_paused:  # paused: the app has not taken the rest yet
            self.transport.abort()
        else:
            self._watch()

    def _stop_watching(self) -> None:
        if self._deadline:
            self._deadline.cancel()


class HttpServer(uvicorn.Server):
    """A server that first ends the open streams with `hang_up`, because they would keep it from stopping.

    It handles no signals: its caller does.
    """

    def __init__(self, app: FastAPI, hang_up: Callable[[], None]) -> None:
        files = open_files.limit()
        shares = Shares[TimedProtocol](files // SHARE, files // ADDRESS_SHARE)
        config = uvicorn.Config(
            app,
            http=partial(TimedProtocol, shares),  # type: ignore[arg-type] # it is only called
            backlog=open_files.ACCEPTED_AT_ONCE,
            log_config=None,  # its lines go to our log, so they name the request
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the console reads them itself, from the proxies of its settings
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        super().__init__(config)
        self._hang_up = hang_up

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        open_files.let_wait(sockets or [])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._hang_up()
        await super().shutdown(sockets)


@asynccontextmanager
async def served(app: FastAPI, listener: socket.socket, hang_up: Callable[[], None]) -> AsyncIterator[None]:
    """Serve the app while the block runs."""
    sys.setswitchinterval(SWITCH_SECONDS)
    server = HttpServer(app, hang_up)
    task = asyncio.create_task(server.serve([listener]), name=app.title)
    try:
        yield
    finally:
        server.should_exit = True
        await task


def listen(host: str, port: int, section: str) -> socket.socket:
    """Open a socket that listens; `section` has its settings. Raises DependencyError if the port is taken."""
    try:
        listener = socket.create_server((host, port), backlog=open_files.WAITING)
    except OSError as error:
        raise DependencyError(
            f"The {section} cannot listen on {host}:{port}: {error.strerror}", f"Set {section}.port to a free port."
        ) from error
    # asyncio sets this only on its own sockets. Without it, every answer waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class TooLargeError(Exception):
    """The request's body is larger than allowed."""


def plain_answer(what: str, status: int) -> Response:
    return PlainTextResponse(what, status, HEADERS)


class Shield:
    """The middleware. It answers 413 to a body of more than `max_body` bytes, and 414 to a query above MAX_QUERY.

    `larger` has the limits of paths whose body may be larger; one that ends in `/` counts for all paths below it.
    `refuse` makes the answer from a text and a status.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_body: int,
        larger: Mapping[str, int] | None = None,
        refuse: Callable[[str, int], Response] = plain_answer,
    ) -> None:
        self._app = app
        self._max_body = max_body
        self._larger = larger or {}
        self._refuse = refuse

    def _limit(self, path: str) -> int:
        below = (size for name, size in self._larger.items() if name.endswith("/") and path.startswith(name))
        return self._larger.get(path, next(below, self._max_body))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if len(scope["query_string"]) > MAX_QUERY:
            await self._refuse("The query is too long.", 414)(scope, receive, send)
            return
        max_body = self._limit(scope["path"])
        too_large = f"The request is too large. Send at most {max_body} bytes."
        if _announced(scope) > max_body:
            await self._refuse(too_large, 413)(scope, receive, send)
            return
        taken, started = 0, False  # the bytes are counted, too: Content-Length may be missing

        async def receiving() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > max_body:
                raise TooLargeError
            return message

        async def sending(message: Message) -> None:
            nonlocal started
            if taken > max_body and not started:
                raise TooLargeError  # FastAPI caught the first one, and answers 400
            if message["type"] == "http.response.start":
                started = True
                self._add_headers(scope, message)
            await send(message)

        try:
            await self._app(scope, receiving, sending)
        except TooLargeError:
            if started:
                raise
            await self._refuse(too_large, 413)(scope, receive, send)

    @staticmethod
    def _add_headers(scope: Scope, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        for name, value in HEADERS.items():
            if name != POLICY or name not in headers:
                headers[name] = value
        if not scope["path"].startswith("/static/"):  # speech of private rooms must not stay in a browser's cache
            headers.setdefault("cache-control", "no-store")


def _announced(scope: Scope) -> int:
    """Return the bytes of Content-Length; 0 if it is missing or not a number (the server refuses that)."""
    length = Headers(scope=scope).get("content-length", "0")
    return int(length) if length.isdecimal() else 0
