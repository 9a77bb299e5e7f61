"""The API's server. It runs in its own process, or in the event loop of `voxwarden run`."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from pipeline.base.http_server import listen, served
from pipeline.base.metrics import Metrics
from pipeline.connect.api.access import ApiTokens
from pipeline.connect.api.answers import Categories
from pipeline.connect.api.app import create_app
from pipeline.connect.api.backend import Backend
from pipeline.connect.api.jobs import Jobs
from pipeline.contract.topology import TRANSCRIBE
from pipeline.judge import labels
from pipeline.judge.release import FollowedRules
from pipeline.review.database import Database
from pipeline.review.policies.judge_rules import follow_store
from pipeline.runner.moderator import Moderator
from pipeline.settings import Settings
from pipeline.settings.section import Section

NAME = "The recording"
"""What errors call a recording, because its name at the sender may be a secret."""

BATCH = 4
"""Utterances of a recording that are transcribed at once. Live speech waits for one batch at most."""


@dataclass(frozen=True, slots=True)
class ServedApi:
    """A running API. `token` is the token that was generated, if none was set."""

    url: str
    token: str | None


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[ServedApi]:
    """Load the models, and serve the API while the block runs. Models that this process has loaded are shared.

    Port 0 takes a free port. Raises ConfigError without a token on an address other than loopback, DependencyError if
    the port is taken, and WeightsMissing.
    """
    tokens = ApiTokens(settings.api)
    listener = listen(settings.api.host, settings.api.port, "api")
    database = tokens.database = Database(settings.database_url)
    rules: FollowedRules | None = None
    try:
        rules = await asyncio.to_thread(follow_store, settings, Metrics())
        moderator = Moderator.of(_in_small_batches(settings), rules)
        await asyncio.to_thread(moderator.load_models)
        backend = open_backend(settings, database, moderator)
        app = create_app(backend, tokens)
        async with served(app, listener, app.state.feed.hang_up):
            yield ServedApi(f"http://{settings.api.host}:{listener.getsockname()[1]}", tokens.generated)
    finally:
        if rules:
            await asyncio.to_thread(rules.close)
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
