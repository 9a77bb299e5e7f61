"""`voxwarden console`: serve the review console."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from agents.commands.app import app, settings_of, stderr
from pipeline.base.libraries import importing
from pipeline.base.stopping import stopped
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.console.console_app import Serving


@app.command()
def console(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of console.host.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port, instead of console.port. 0 takes any free port.")
    ] = None,
) -> None:
    """Serve the review console for moderators on http://127.0.0.1:8080.

    Use it with `voxwarden worker` on Kafka; `voxwarden run` already includes the console. It reads the review store of
    the settings. At its first start it creates an account and prints the password once.

    Examples:
      voxwarden console
      voxwarden accounts add lin --role moderator
    """
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = settings_of(ctx)
    asyncio.run(_serve(settings.model_copy(update={"console": settings.console.model_copy(update=given)})))


def print_address(serving: "Serving") -> None:
    """Print the console's address, and the login if one was created."""
    stderr.print(f"Console  {serving.url}", highlight=False)
    if serving.login:
        name, password = serving.login
        stderr.print(f"Login    {name} / {password}   (new; it is shown only once)", highlight=False, markup=False)


async def _serve(settings: Settings) -> None:
    """Serve the console. While the database does not answer, wait and show that in the metrics."""
    from agents.broker.stored_transcripts import TopicSpeech
    from pipeline.base.dependencies import Dependencies, answered
    from pipeline.base.metrics import Metrics
    from pipeline.base.metrics_server import Starting
    from pipeline.base.metrics_server import serving as figures
    from pipeline.review.database import check_answers
    from pipeline.review.evidence.evidence_store import evidence_checks

    with importing("console"):
        from pipeline.console.console_app import serving
    metrics, starting = Metrics(), Starting()
    with figures(metrics, settings.metrics.host, settings.metrics.port, starting.probes) as url:
        check = partial(check_answers, settings.database_url)
        with Dependencies({"database": check, **evidence_checks(settings)}, metrics).watching():
            await answered(check)
            speech = TopicSpeech(settings) if settings.console.reads_speech else None
            async with serving(settings, metrics, speech) as found:
                starting.done = True
                print_address(found)
                stderr.print(f"Metrics  {url}", highlight=False)
                stderr.print("Press Ctrl-C to stop.", style="dim")
                await stopped()
