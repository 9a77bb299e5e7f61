"""The console's server. It runs in its own process, or in the event loop of `voxwarden run`."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import uvicorn
from fastapi import FastAPI

from pipeline.assessment import watching
from pipeline.assessment.workdays import calendar
from pipeline.console.app import create_app, open_desk
from pipeline.console.desk import Desk
from pipeline.console.first_login import first_login
from pipeline.console.periodic import every
from pipeline.errors import DependencyError
from pipeline.metrics import Metrics
from pipeline.review.database import Database
from pipeline.review.delivery.webhooks import sending
from pipeline.review.privacy import retention
from pipeline.settings import Settings

BACKLOG = 128
RETENTION_SECONDS = 3_600.0
"""Seconds between two checks whether the retention job is due."""
WATCH_SECONDS = 21_600.0
"""Seconds between two looks for cases of article 3 (`pipeline/assessment/watching.py`)."""
STOP_SECONDS = 3
"""Seconds that running requests get when the server stops."""


class Serving:
    """A running console: its URL, and the name and password of the first login if the store was empty."""

    def __init__(self, url: str, login: tuple[str, str] | None) -> None:
        self.url = url
        self.login = login


class ConsoleServer(uvicorn.Server):
    """A server that first ends the live streams of open pages, because they would keep it from stopping.

    It handles no signals: its caller does.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.live.hang_up()
        await super().shutdown(sockets)


@asynccontextmanager
async def serving(settings: Settings, metrics: Metrics) -> AsyncIterator[Serving]:
    """Serve the console, send webhooks, run the retention job and watch for triggers while the block runs.

    Port 0 takes a free port. Raises DependencyError if the port is taken or the database does not answer.
    """
    console = settings.console
    listener = listen(console.host, console.port, "console")
    database = Database(settings.database_url)
    try:
        login = first_login(database)
        desk = open_desk(settings, database, metrics=metrics)
        config = uvicorn.Config(
            create_app(desk),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        server = ConsoleServer(config)
        task = asyncio.create_task(server.serve([listener]), name="console")
        try:
            async with (
                sending(settings, database, metrics),
                every(RETENTION_SECONDS, partial(keep, desk), "retention"),
                every(WATCH_SECONDS, partial(watch, desk), "watch"),
            ):
                yield Serving(f"http://{console.host}:{listener.getsockname()[1]}", login)
        finally:
            server.should_exit = True
            await task
    finally:
        listener.close()
        database.close()


def keep(desk: Desk) -> None:
    """Run the retention job if it is due, and if this process is to run it."""
    settings = desk.settings
    if not settings.retention.in_console:
        return
    kept = settings.kafka.longest_retention_seconds
    retention.run_if_due(desk.database, desk.evidence, settings.retention, desk.clock(), kept)


def watch(desk: Desk) -> None:
    """Look for cases of article 3, and store the new ones as triggers. Repeated runs change nothing."""
    watching.watch(desk.database, desk.settings, calendar(), desk.clock())


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
