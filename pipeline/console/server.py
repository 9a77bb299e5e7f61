"""The console's server. It runs in its own process, or in the event loop of `voxwarden run`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from pipeline.assessment import watching
from pipeline.assessment.workdays import calendar
from pipeline.base.http_server import listen, served
from pipeline.base.metrics import Metrics
from pipeline.console.account.first_login import first_login
from pipeline.console.app import create_app, open_services
from pipeline.console.periodic import every
from pipeline.console.policy.draft_trials import RecentSpeech
from pipeline.console.services import Services
from pipeline.review.database import Database
from pipeline.review.delivery.webhooks import sending
from pipeline.review.privacy import retention_job
from pipeline.settings import Settings

RETENTION_SECONDS = 3_600.0
"""Seconds between two checks whether the retention job is due."""
WATCH_SECONDS = 21_600.0
"""Seconds between two looks for cases of article 3 (`pipeline/assessment/watching.py`)."""


class Serving:
    """A running console: its URL, and the name and password of the first login if the store was empty."""

    def __init__(self, url: str, login: tuple[str, str] | None) -> None:
        self.url = url
        self.login = login


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
        login = first_login(database)
        services = open_services(settings, database, metrics=metrics, speech=speech)
        app = create_app(services)
        async with (
            served(app, listener, app.state.live.hang_up),
            sending(settings, database, metrics),
            every(RETENTION_SECONDS, partial(keep, services), "retention"),
            every(settings.audit.anchor_seconds, services.anchoring.anchor, "anchors of the audit log"),
            every(WATCH_SECONDS, partial(watch, services), "watch"),
        ):
            yield Serving(f"http://{console.host}:{listener.getsockname()[1]}", login)
    finally:
        listener.close()
        database.close()


def keep(services: Services) -> None:
    """Run the retention job if it is due, and if this process is to run it."""
    settings = services.settings
    if not settings.retention.in_console:
        return
    kept = settings.kafka.longest_retention_seconds
    retention_job.run_if_due(services.database, services.evidence, settings.retention, services.clock(), kept)


def watch(services: Services) -> None:
    """Look for cases of article 3, and store the new ones as triggers. Repeated runs change nothing."""
    watching.watch(services.database, services.settings, calendar(), services.clock())
