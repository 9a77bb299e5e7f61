"""The HTTP server of the console and of the API. It runs in the event loop of its caller."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI

from pipeline.base.errors import DependencyError

BACKLOG = 128
SWITCH_SECONDS = 0.0005
"""Python's switch interval while the server runs. After each statement a thread needs the interpreter back. With
Python's own 5 ms, a request with 50 statements waits 250 ms beside another one that renders its page."""
STOP_SECONDS = 3
"""Seconds that running requests get when the server stops."""


class HttpServer(uvicorn.Server):
    """A server that first ends the open streams with `hang_up`, because they would keep it from stopping.

    It handles no signals: its caller does.
    """

    def __init__(self, app: FastAPI, hang_up: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
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
        listener = socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        raise DependencyError(
            f"The {section} cannot listen on {host}:{port}: {error.strerror}", f"Set {section}.port to a free port."
        ) from error
    # asyncio sets this only on its own sockets. Without it, every answer waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
