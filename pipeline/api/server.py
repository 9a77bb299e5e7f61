"""The API's server. It runs in its own process, or in the event loop of `voxwarden run`."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial

import uvicorn
from fastapi import FastAPI

from pipeline.api.access import ApiTokens
from pipeline.api.answers import Categories
from pipeline.api.app import create_app
from pipeline.api.backend import Backend
from pipeline.api.jobs import Jobs
from pipeline.console.server import STOP_SECONDS, listen
from pipeline.judge import labels
from pipeline.moderator import Moderator
from pipeline.review.database import Database
from pipeline.settings import Settings
from pipeline.settings.section import Section
from pipeline.topology import TRANSCRIBE

NAME = "The recording"
"""What errors call a recording, because its name at the sender may be a secret."""

BATCH = 4
"""Utterances of a recording that are transcribed at once. Live speech waits for one batch at most."""


@dataclass(frozen=True, slots=True)
class ServedApi:
    """A running API. `token` is the token that was generated, if none was set."""

    url: str
    token: str | None


class ApiServer(uvicorn.Server):
    """A server that first ends the open streams, because they would keep it from stopping.

    It handles no signals: its caller does.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.feed.hang_up()
        await super().shutdown(sockets)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[ServedApi]:
    """Load the models, and serve the API while the block runs. Models that this process has loaded are shared.

    Port 0 takes a free port. Raises ConfigError without a token on an address other than loopback, DependencyError if
    the port is taken, and WeightsMissing.
    """
    tokens = ApiTokens(settings.api)
    listener = listen(settings.api.host, settings.api.port, "api")
    database = Database(settings.database_url)
    try:
        moderator = Moderator.of(_in_small_batches(settings))
        await asyncio.to_thread(moderator.load_models)
        backend = open_backend(settings, database, moderator)
        config = uvicorn.Config(
            create_app(backend, tokens),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        server = ApiServer(config)
        task = asyncio.create_task(server.serve([listener]), name="api")
        try:
            yield ServedApi(f"http://{settings.api.host}:{listener.getsockname()[1]}", tokens.generated)
        finally:
            server.should_exit = True
            await task
    finally:
        listener.close()
        database.close()


def open_backend(settings: Settings, database: Database, moderator: Moderator) -> Backend:
    """Make the backend. Raises ConfigError for a wrong label file."""
    longest = settings.api.max_audio_seconds
    jobs = Jobs(partial(moderator.results, name=NAME, longest=longest), settings.api, time.time)
    return Backend(settings, database, moderator, Categories(labels.load(settings.judge.labels)), jobs)


def _in_small_batches(settings: Settings) -> Settings:
    given = settings.batching(TRANSCRIBE)
    small = given.model_copy(update={"batch": min(BATCH, given.batch)})
    stages: Section = settings.stages
    return settings.model_copy(update={"stages": stages.model_copy(update={TRANSCRIBE.name: small})})
