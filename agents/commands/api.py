"""`voxwarden api`: serve the HTTP API for programs."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from agents.commands.app import app, settings_of, stderr
from pipeline.base.libraries import importing
from pipeline.base.stopping import stopped
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.connect.api.api_server import ServedApi


@app.command()
def api(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of api.host.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port, instead of api.port. 0 takes any free port.")
    ] = None,
) -> None:
    """Serve the HTTP API for programs on http://127.0.0.1:8090.

    Programs send texts and recordings, and read cases; docs/api.md is the manual. The answers to texts have the shape
    of OpenAI's moderation API. Use it with `voxwarden worker` on Kafka, or alone; `voxwarden run --api` includes it. It
    reads the review store of the settings. If no token is set in api.tokens, it prints one for this run.

    Examples:
      voxwarden api
      VOXWARDEN_API__TOKENS='[{"token": "<long random text>", "scopes": ["moderate"]}]' voxwarden api --host 0.0.0.0
    """
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = settings_of(ctx)
    asyncio.run(_serve(settings.model_copy(update={"api": settings.api.model_copy(update=given)})))


def print_api(serving: "ServedApi") -> None:
    """Print the API's address, and the token if one was generated."""
    stderr.print(f"API      {serving.url}/v1/moderations", highlight=False, soft_wrap=True)
    if serving.token:
        line = f"Token    {serving.token}   (for the API, only for this run; set api.tokens to keep one)"
        stderr.print(line, highlight=False, markup=False, soft_wrap=True)


async def _serve(settings: Settings) -> None:
    """Serve the API. While the database does not answer, wait and show that in the metrics."""
    from pipeline.base.dependencies import Dependencies, answered
    from pipeline.base.metrics import Metrics
    from pipeline.base.metrics_server import Starting
    from pipeline.base.metrics_server import serving as figures
    from pipeline.review.database import check_answers

    with importing("console"):
        from pipeline.connect.api.api_server import serve_api
    metrics, starting = Metrics(), Starting()
    check = partial(check_answers, settings.database_url)
    watching = Dependencies({"database": check}, metrics).watching()
    with figures(metrics, settings.metrics.host, settings.metrics.port, starting.probes) as url, watching:
        await answered(check)
        stderr.print("Loading the models ...", style="dim")
        async with serve_api(settings) as found:
            starting.done = True
            print_api(found)
            stderr.print(f"Metrics  {url}", highlight=False)
            stderr.print("Press Ctrl-C to stop.", style="dim")
            await stopped()
