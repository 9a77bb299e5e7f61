"""The console as one FastAPI app, its periodic tasks, and its server.

To add a page, write a module like `wellness_page.py` with its template, and add its router to ROUTERS.
Enter each endpoint in `access_table.py`, and a page of the menu in NAVIGATION of `rendering.py`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from importlib.metadata import version

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from pipeline.assessment import article3_signals
from pipeline.assessment.workdays import calendar
from pipeline.base.errors import ConfigError, DependencyError
from pipeline.base.http_server import Shield, listen, served
from pipeline.base.metrics import Metrics
from pipeline.console import (
    account_page,
    apps_api,
    console_metrics,
    coop_api,
    error_pages,
    live_updates,
    login,
    rendering,
    static_files,
    wellness_page,
)
from pipeline.console.access_table import ACCESS
from pipeline.console.assessment import (
    assessment_pages,
    drills_page,
    forms_page,
    hazards_page,
    indicators_page,
    register_page,
    reports_page,
    triggers_page,
)
from pipeline.console.cases import (
    appeals_page,
    case_assignment,
    case_decisions,
    case_page,
    inbox_page,
    profile_page,
    queue_page,
    search_page,
)
from pipeline.console.guard import guard
from pipeline.console.live_updates import POLL_SECONDS, LiveQueue
from pipeline.console.login import first_login
from pipeline.console.policy import banned_recordings_page, draft_page, policies_page
from pipeline.console.policy.draft_page import MAX_FORM_BYTES
from pipeline.console.policy.draft_trials import RecentSpeech
from pipeline.console.services import Services, open_services
from pipeline.console.team import accounts_page, audit_page, quality_page, retention_page, team_page
from pipeline.review.accounts import presence
from pipeline.review.audit_watch import EVERY_SECONDS
from pipeline.review.cases import case_queue
from pipeline.review.database import Database
from pipeline.review.delivery.webhook_sender import sending
from pipeline.review.privacy import retention_job
from pipeline.review.quality import drawing
from pipeline.review.quality.drawing import Shares
from pipeline.review.search import case_words
from pipeline.settings import Settings

log = logging.getLogger(__name__)
MAX_BODY_BYTES = 262_144  # the largest body of a request, except on the pages that take files or policies
ANCHOR_SECONDS = 3_600.0  # pause between two anchors: who changes the database has at most an hour before the next one
QUEUE_SECONDS = 10.0  # pause between two updates of the metrics of open cases
QUALITY_SECONDS = 300.0  # as QUEUE_SECONDS, for quality: its queries read 30 days
WORDS_SECONDS = 3_600.0  # how often the search gets the words of cases that an older version stored
READY_SECONDS = 4.0  # seconds within which `/readyz` answers
ROUTERS: tuple[APIRouter, ...] = (
    login.router,
    account_page.router,
    accounts_page.router,
    queue_page.router,
    search_page.router,
    profile_page.router,
    inbox_page.router,
    case_page.router,
    case_assignment.router,
    case_decisions.router,
    live_updates.router,
    audit_page.router,
    appeals_page.router,
    apps_api.router,
    coop_api.router,
    retention_page.router,
    team_page.router,
    quality_page.router,
    indicators_page.router,
    assessment_pages.router,
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
    apps_api.docs_router,
    static_files.router,
)
RETENTION_SECONDS = 3_600.0  # seconds between two checks whether the retention job is due
WATCH_SECONDS = 21_600.0  # seconds between two looks for cases of article 3 (`pipeline/assessment/article3_signals.py`)


class Serving:
    """A running console: its URL, and the name and password of the first login if the store was empty."""

    def __init__(self, url: str, login: tuple[str, str] | None) -> None:
        self.url = url
        self.login = login


@asynccontextmanager
async def every(seconds: float, act: Callable[[], object], name: str) -> AsyncIterator[None]:
    """Call `act` in a thread at once and then every `seconds`, until the block ends.

    An error never ends the task: it is logged, and `act` is called again. A task that ended would go unnoticed.
    """
    task = asyncio.create_task(_repeat(seconds, act, name), name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def create_app(services: Services) -> FastAPI:
    """Make the console's app. Raises ConfigError if an endpoint is missing in `access_table.py`."""
    console_metrics.from_the_start(services)
    live = LiveQueue(services.database, services.clock, POLL_SECONDS)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            live,
            every(presence.WRITE_SECONDS, partial(note_presence, services, live), "presence"),
            every(drawing.DRAW_SECONDS, partial(draw_checks, services), "checks"),
            every(QUEUE_SECONDS, partial(console_metrics.queue, services), "figures of the queue"),
            every(EVERY_SECONDS, services.audit_watch.look, "chain of the audit log"),
            every(QUALITY_SECONDS, partial(console_metrics.quality, services), "figures of quality"),
            every(WORDS_SECONDS, partial(case_words.catch_up, services.database), "words for search"),
        ):
            yield
            services.audit_watch.close()  # `every` cannot end its thread, and a check of a long log takes minutes
        services.background.close()
        services.draft_trials.close()
        if app.state.oidc:
            app.state.oidc.close()

    app = FastAPI(
        title="Voxwarden review console",
        version=version("voxwarden"),
        # FastAPI's own pages load scripts from another site and know no roles. `apps_api.py` has ours.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        routes=_routes().routes,
        # This is for the probes. The pages of `_routes` bring their guard with them.
        dependencies=[Depends(guard)],
        lifespan=lifespan,
    )
    app.state.oidc = login.open_provider(services)
    app.state.services, app.state.live, app.state.templates = services, live, rendering.environment()
    app.add_api_route("/healthz", health, response_class=PlainTextResponse)
    app.add_api_route("/readyz", Readiness(services.database).ready, response_class=PlainTextResponse)
    larger = {
        triggers_page.PROOF_PAGE: triggers_page.MAX_MIB << 20,
        draft_page.PAGE: MAX_FORM_BYTES,
        banned_recordings_page.PAGE: banned_recordings_page.MAX_MIB << 20,
    }
    app.add_middleware(Shield, max_body=MAX_BODY_BYTES, larger=larger)
    error_pages.install(app)
    # FastAPI reads an included router only at its first request, so `app.routes` has no pages yet.
    _check([*app.routes, *(route for router in ROUTERS for route in router.routes)])
    return app


def draw_checks(services: Services) -> None:
    """Put new checks into the queue."""
    quality, undo_seconds = services.settings.quality, services.settings.console.undo_seconds
    with services.database.write() as connection:
        shares = Shares(quality.second_share, quality.golden_share)
        order = case_queue.ranking_of(services.labels, services.settings)
        drawing.draw(connection, services.evidence, services.clock(), shares, undo_seconds, order)


def note_presence(services: Services, live: LiveQueue) -> None:
    """Record the accounts with an open page of the queue."""
    if people := live.people():
        with services.database.write() as connection:
            presence.note_presence(connection, people, services.clock())


class Readiness:
    """Whether the database takes writes. One check at a time answers all who ask meanwhile."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._check: asyncio.Task[str] | None = None
        self._threads = CapacityLimiter(1)  # not those of the pages, which may all wait for the database

    async def ready(self) -> PlainTextResponse:
        """Answer 200 if the database takes writes, or else 503 within READY_SECONDS."""
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(self._look(), name="readiness")
        problem = await asyncio.shield(self._check)
        return PlainTextResponse(f"{problem or 'ok'}\n", 503 if problem else 200)

    async def _look(self) -> str:
        try:
            async with asyncio.timeout(READY_SECONDS):
                check = self._database.check_writable
                await to_thread.run_sync(check, limiter=self._threads, abandon_on_cancel=True)
        except (DependencyError, TimeoutError):
            return "the database does not answer"  # no more: anybody may ask
        return ""


def health() -> str:
    """Answer "ok" while the console runs."""
    # It does not ask the database: to restart the console would not end an outage. `/readyz` does.
    return "ok\n"


@asynccontextmanager
async def serving(settings: Settings, metrics: Metrics, speech: RecentSpeech | None = None) -> AsyncIterator[Serving]:
    """Serve the console, send webhooks, run the retention job and watch for triggers while the block runs.

    Backtests of policies read `speech`, if it is given. Port 0 takes a free port. Raises DependencyError if the port is
    taken or the database does not answer.
    """
    console = settings.console
    listener = listen(console.host, console.port, "console")
    database = Database(settings.database_url)
    try:
        first = first_login(database)
        services = open_services(settings, database, metrics=metrics, speech=speech)
        app = create_app(services)
        async with (
            served(app, listener, app.state.live.hang_up),
            sending(settings, database, metrics),
            every(RETENTION_SECONDS, partial(run_retention, services), "retention"),
            every(ANCHOR_SECONDS, services.anchoring.anchor, "anchors of the audit log"),
            every(WATCH_SECONDS, partial(suggest_triggers, services), "watch"),
        ):
            yield Serving(f"http://{console.host}:{listener.getsockname()[1]}", first)
    finally:
        listener.close()
        database.close()


def run_retention(services: Services) -> None:
    """Run the retention job if it is due, and if this process is to run it."""
    settings = services.settings
    if not settings.retention.in_console:
        return
    kept = settings.kafka.longest_retention_seconds
    retention_job.run_if_due(services.database, services.evidence, settings.retention, services.clock(), kept)


def suggest_triggers(services: Services) -> None:
    """Look for cases of article 3, and store the new ones as triggers. Repeated runs change nothing."""
    article3_signals.watch(services.database, services.settings, calendar(), services.clock())


async def _repeat(seconds: float, act: Callable[[], object], name: str) -> None:
    while True:
        try:
            await asyncio.to_thread(act)
        # An outage is expected, and its traceback says nothing new.
        except DependencyError as error:
            log.warning("%s: %s; trying again in %g s", name, error, seconds)
        except Exception:
            log.exception("%s failed; trying again in %g s", name, seconds)
        await asyncio.sleep(seconds)


@cache
def _routes() -> APIRouter:
    """Return all pages behind the guard. FastAPI prepares a page when it is first asked for, once for all apps."""
    guarded = APIRouter(dependencies=[Depends(guard)])
    for router in ROUTERS:
        guarded.include_router(router)
    return guarded


def _check(routes: list[BaseRoute]) -> None:
    """Raise ConfigError unless the endpoints and the entries of `access_table.py` are the same."""
    names = {route.name for route in routes if isinstance(route, APIRoute)}
    if names != ACCESS.keys():
        raise ConfigError(
            f"access_table.py and the endpoints differ in {sorted(names ^ ACCESS.keys())}",
            "Correct the table in access_table.py.",
        )
