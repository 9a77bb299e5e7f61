"""The API's server. It runs in its own process, or in the event loop of `voxwarden run`."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPBearer

from pipeline.base import http_problems
from pipeline.base.errors import ParameterError
from pipeline.base.http_server import Shield, listen, served
from pipeline.base.metrics import Metrics
from pipeline.connect.api import cases_endpoint, moderations_endpoint, verdicts_endpoint
from pipeline.connect.api.api_access import ApiTokens, Gate
from pipeline.connect.api.audio_download import MAX_AUDIO_BYTES
from pipeline.connect.api.backend import Backend
from pipeline.connect.api.moderation_answers import Categories
from pipeline.connect.api.recording_jobs import Jobs
from pipeline.connect.api.request_ids import RequestIds
from pipeline.connect.api.text_queue import TextQueue
from pipeline.judge import labels
from pipeline.judge.policy_release import FollowedRules
from pipeline.review.database import Database
from pipeline.review.delivery.feed import VerdictFeed
from pipeline.review.policies.judge_rules import follow_store
from pipeline.runner.moderator import Moderator
from pipeline.settings import Settings

ROUTERS: tuple[APIRouter, ...] = (
    moderations_endpoint.text_router,
    moderations_endpoint.recording_router,
    cases_endpoint.cases_router,
    verdicts_endpoint.verdicts_router,
)

NAME = "The recording"
"""What errors call a recording, because its name at the sender may be a secret."""

BATCH = 4
"""Utterances of a recording that are transcribed at once. Those of other tokens wait for one batch at most."""

MAX_BODY_BYTES = 1_048_576
"""Largest body of a request with texts."""

FORM_BYTES = 65_536
"""Bytes for the other fields of a request with a recording, and for the boundaries of its parts."""


@dataclass(frozen=True, slots=True)
class ServedApi:
    """A running API. `token` is the token that was generated, if none was set."""

    url: str
    token: str | None


@asynccontextmanager
async def serve_api(settings: Settings, *, beside_live: bool = False) -> AsyncIterator[ServedApi]:
    """Load the models, and serve the API while the block runs. Models that this process has loaded are shared.

    `beside_live` says whether the process moderates live rooms, too. Their speech goes first.

    Port 0 takes a free port. Raises ConfigError without a token on an address other than loopback, DependencyError if
    the port is taken, and WeightsMissing.
    """
    tokens = ApiTokens(settings.api)
    # The port comes first: loading the models takes seconds, and a taken port should fail at once.
    listener = listen(settings.api.host, settings.api.port, "api")
    database = tokens.database = Database(settings.database_url)
    rules: FollowedRules | None = None
    try:
        rules = await asyncio.to_thread(follow_store, settings, Metrics())
        moderator = Moderator.of(settings, rules)
        await asyncio.to_thread(moderator.load_models)
        backend = open_backend(settings, database, moderator, beside_live=beside_live)
        app = create_api_app(backend, tokens)
        async with served(app, listener, app.state.feed.hang_up):
            yield ServedApi(f"http://{settings.api.host}:{listener.getsockname()[1]}", tokens.generated)
    finally:
        if rules:
            # In a thread, because it waits for the thread that follows the policies.
            await asyncio.to_thread(rules.close)
        listener.close()
        database.close()


def open_backend(settings: Settings, database: Database, moderator: Moderator, *, beside_live: bool = False) -> Backend:
    """Make the backend. Raises ConfigError for a wrong label file."""
    longest = settings.api.max_audio_seconds
    categories = Categories(labels.load_labels(settings.judge.labels))
    moderate = partial(moderator.results, name=NAME, longest=longest, batch=BATCH, beside_live=beside_live)
    jobs = Jobs(moderate, categories, database, settings, time.time)
    return Backend(settings, database, moderator, categories, jobs, TextQueue(beside_live), time.time())


def create_api_app(backend: Backend, tokens: ApiTokens) -> FastAPI:
    """Make the app. While it runs, it works through recordings and reads new verdicts."""
    settings = backend.settings.api
    feed = VerdictFeed(backend.database, time.time)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with backend.jobs, feed:
            yield
        backend.texts.close()

    app = FastAPI(
        title="Voxwarden",
        version=version("voxwarden"),
        # FastAPI's pages load scripts from another host. The headers of Shield forbid that.
        docs_url=None,
        redoc_url=None,
        # The gate checks the token. HTTPBearer only documents it.
        dependencies=[Depends(HTTPBearer(auto_error=False))],
        lifespan=lifespan,
    )
    app.state.backend, app.state.feed = backend, feed
    app.add_api_route("/healthz", health, response_class=PlainTextResponse, include_in_schema=False)
    for router in ROUTERS:
        app.include_router(router, dependencies=[Depends(check_query)])
    http_problems.install(app)
    uploads = {"/v1/audio/moderations": MAX_AUDIO_BYTES + FORM_BYTES}
    # Starlette runs the middleware that was added last first. So the gate refuses before anything reads the body.
    app.add_middleware(Shield, max_body=MAX_BODY_BYTES, larger=uploads, refuse=http_problems.problem)
    app.add_middleware(Gate, tokens=tokens, settings=settings, check_texts=backend.texts.check)
    app.add_middleware(RequestIds)
    return app


def check_query(request: Request) -> None:
    """Raise ParameterError for a query parameter that the route does not have: a misspelt filter would match all."""
    known = [parameter.alias for parameter in request.scope["route"].dependant.query_params]
    if unknown := next((name for name in request.query_params if name not in known), None):
        remedy = f"Use one of: {', '.join(known)}." if known else "Leave it out: this address takes none."
        raise ParameterError(unknown, "there is no such parameter", remedy)


def health() -> str:
    """Answer "ok" while the API runs."""
    return "ok\n"
