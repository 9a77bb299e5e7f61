"""The API as one FastAPI app."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPBearer

from pipeline.base import http_problems
from pipeline.base.http_server import Shield
from pipeline.connect.api import audio, cases, texts, verdicts
from pipeline.connect.api.access import ApiTokens
from pipeline.connect.api.backend import Backend
from pipeline.connect.api.gate import Gate
from pipeline.review.delivery.feed import VerdictFeed

ROUTERS: tuple[APIRouter, ...] = (texts.router, audio.router, cases.router, verdicts.router)

FORM_BYTES = 65_536
"""What a request with a recording may have beside it."""


def create_app(backend: Backend, tokens: ApiTokens) -> FastAPI:
    """Make the app. While it runs, it works through recordings and reads new verdicts."""
    settings = backend.settings.api
    feed = VerdictFeed(backend.database, time.time)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with backend.jobs, feed:
            yield

    app = FastAPI(
        title="Voxwarden",
        version=version("voxwarden"),
        docs_url=None,
        redoc_url=None,
        # The gate checks the token. HTTPBearer only documents it.
        dependencies=[Depends(HTTPBearer(auto_error=False))],
        lifespan=lifespan,
    )
    app.state.backend, app.state.feed = backend, feed
    app.add_api_route("/healthz", health, response_class=PlainTextResponse, include_in_schema=False)
    for router in ROUTERS:
        app.include_router(router)
    http_problems.install(app)
    uploads = {"/v1/audio/moderations": settings.max_audio_bytes + FORM_BYTES}
    app.add_middleware(Shield, max_body=settings.max_body_bytes, larger=uploads, refuse=http_problems.problem)
    app.add_middleware(Gate, tokens=tokens, settings=settings)
    return app


def health() -> str:
    """Answer "ok" while the API runs."""
    return "ok\n"
