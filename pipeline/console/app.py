"""The console as one FastAPI app. Every endpoint needs an entry in `access.py`."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache, partial
from importlib.metadata import version

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from pipeline.base.errors import ConfigError
from pipeline.base.http_server import Shield
from pipeline.base.metrics import Metrics
from pipeline.console import console_metrics, error_pages, pages, static
from pipeline.console.access import ACCESS
from pipeline.console.account import account_page, invitation_page, login, oidc_login, wellness_page
from pipeline.console.apps import api_docs, appeals_api, confirmations_api, coop_api, tokens_page
from pipeline.console.assessment import (
    drills_page,
    figures_age,
    forms_page,
    hazards_page,
    indicators_page,
    proof_upload,
    register_page,
    reports_page,
    triggers_page,
)
from pipeline.console.audit_watch import EVERY_SECONDS, ChainWatch
from pipeline.console.background_figures import Measured
from pipeline.console.desk import (
    appeals_page,
    case_actions,
    case_page,
    case_transfers,
    corrections,
    inbox_page,
    muted_phrases,
    notes_page,
    profile_page,
    queue_page,
    saved_views,
    search_page,
    viewers,
)
from pipeline.console.guard import guard
from pipeline.console.live import LiveQueue
from pipeline.console.periodic import every
from pipeline.console.policy import banned_recordings_page, draft_page, policies_page
from pipeline.console.policy.draft_page import MAX_FORM_BYTES
from pipeline.console.policy.draft_trials import PolicyLab, RecentSpeech
from pipeline.console.services import Services
from pipeline.console.team import (
    accounts_page,
    audit_page,
    golden_page,
    quality_page,
    retention_page,
    skills_page,
    team_page,
)
from pipeline.console.texts import Texts
from pipeline.judge import labels
from pipeline.review.accounts import presence
from pipeline.review.accounts.sign_in import SignIn
from pipeline.review.anchors import Anchoring
from pipeline.review.cases import ranking
from pipeline.review.cases.speaker_measures import Measures
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import open_evidence
from pipeline.review.quality import drawing
from pipeline.review.quality.drawing import Shares
from pipeline.review.search import case_words
from pipeline.settings import Settings

QUEUE_SECONDS = 10.0
QUALITY_SECONDS = 300.0
WORDS_SECONDS = 3_600.0
"""How often the words of cases that an older version stored are added to those of search."""

ROUTERS: tuple[APIRouter, ...] = (
    login.router,
    oidc_login.router,
    account_page.router,
    case_transfers.router,
    accounts_page.router,
    tokens_page.router,
    invitation_page.router,
    queue_page.router,
    search_page.router,
    saved_views.router,
    profile_page.router,
    notes_page.router,
    inbox_page.router,
    skills_page.router,
    case_page.router,
    case_actions.router,
    viewers.router,
    corrections.router,
    audit_page.router,
    appeals_page.router,
    appeals_api.router,
    confirmations_api.router,
    coop_api.router,
    retention_page.router,
    team_page.router,
    quality_page.router,
    golden_page.router,
    muted_phrases.router,
    indicators_page.router,
    figures_age.router,
    proof_upload.router,
    triggers_page.router,
    hazards_page.router,
    drills_page.router,
    register_page.router,
    forms_page.router,
    reports_page.router,
    policies_page.router,
    draft_page.router,
    banned_recordings_page.router,
    wellness_page.router,
    api_docs.router,
    static.router,
)


def open_services(
    settings: Settings,
    database: Database,
    clock: Callable[[], float] = time.time,
    metrics: Metrics | None = None,
    speech: RecentSpeech | None = None,
) -> Services:
    """Make the services from the settings. `clock` returns UTC seconds.

    Backtests of policies read `speech`, if it is given. Raises ConfigError for a wrong label file, for a limit of an
    unknown figure, and without the key for anchors.
    """
    known = labels.load(settings.judge.labels)
    metrics = metrics or Metrics()
    return Services(
        settings,
        database,
        open_evidence(settings),
        known,
        Texts(),
        metrics,
        clock,
        Measured(database, settings, known, clock),
        SignIn(database, clock),
        Measures(settings, known),
        ChainWatch(database, metrics, clock),
        Anchoring(database, settings, clock),
        PolicyLab(settings, database, known, clock, speech),
    )


def create_app(services: Services) -> FastAPI:
    """Make the console's app. Raises ConfigError if an endpoint is missing in `access.py`."""
    console_metrics.from_the_start(services)
    live = LiveQueue(services.database, services.clock, services.settings.console.poll_seconds)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            live,
            every(presence.WRITE_SECONDS, partial(note_presence, services, live), "presence"),
            every(services.settings.quality.draw_seconds, partial(draw, services), "checks"),
            every(QUEUE_SECONDS, partial(console_metrics.queue, services), "figures of the queue"),
            every(EVERY_SECONDS, services.chain.look, "chain of the audit log"),
            every(QUALITY_SECONDS, partial(console_metrics.quality, services), "figures of quality"),
            every(WORDS_SECONDS, partial(case_words.catch_up, services.database), "words for search"),
        ):
            yield
            services.chain.close()
        services.measured.close()
        services.lab.close()
        if app.state.oidc:
            app.state.oidc.close()

    app = FastAPI(
        title="Voxwarden review console",
        version=version("voxwarden"),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        routes=_routes().routes,
        dependencies=[Depends(guard)],
        lifespan=lifespan,
    )
    app.state.oidc = oidc_login.open_provider(services)
    app.state.services, app.state.live, app.state.templates = services, live, pages.environment()
    app.add_api_route("/healthz", health, response_class=PlainTextResponse)
    larger = {
        proof_upload.PAGE: proof_upload.MAX_MIB << 20,
        draft_page.PAGE: MAX_FORM_BYTES,
        banned_recordings_page.PAGE: banned_recordings_page.MAX_MIB << 20,
    }
    app.add_middleware(Shield, max_body=services.settings.console.max_body_bytes, larger=larger)
    error_pages.install(app)
    _check([*app.routes, *(route for router in ROUTERS for route in router.routes)])
    return app


@cache
def _routes() -> APIRouter:
    """Return all pages behind the guard. FastAPI prepares a page when it is first asked for, once for all apps."""
    guarded = APIRouter(dependencies=[Depends(guard)])
    for router in ROUTERS:
        guarded.include_router(router)
    return guarded


def draw(services: Services) -> None:
    """Put new checks into the queue."""
    quality, undo_seconds = services.settings.quality, services.settings.console.undo_seconds
    with services.database.write() as connection:
        shares = Shares(quality.second_share, quality.golden_share)
        order = ranking.ranking_of(services.labels, services.settings)
        drawing.draw(connection, services.evidence, services.clock(), shares, undo_seconds, order)


def note_presence(services: Services, live: LiveQueue) -> None:
    """Record the accounts with an open page of the queue."""
    if people := live.people():
        with services.database.write() as connection:
            presence.note_presence(connection, people, services.clock())


def health() -> str:
    """Answer "ok" while the console runs."""
    return "ok\n"


def _check(routes: list[BaseRoute]) -> None:
    """Raise ConfigError unless the endpoints and the entries of `access.py` are the same."""
    names = {route.name for route in routes if isinstance(route, APIRoute)}
    if names != ACCESS.keys():
        raise ConfigError(
            f"access.py and the endpoints differ in {sorted(names ^ ACCESS.keys())}", "Correct the table in access.py."
        )
