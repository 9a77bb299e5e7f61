"""`voxwarden console`: the moderators' web page."""

import asyncio
import signal
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.app import app, settings_of, stderr
from pipeline.errors import ConfigError
from pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from pipeline.console.server import Serving
    from pipeline.metrics import Metrics


@app.command()
def console(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Instead of console.host.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Instead of console.port; 0: a free one.")] = None,
) -> None:
    """Serve the review console on http://127.0.0.1:8080, from the store that the settings name.

    The first time, it makes an account and prints its password once. `voxwarden run` serves it, too.

    Examples:
      voxwarden console
      voxwarden accounts add lin --role moderator
    """
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = settings_of(ctx)
    asyncio.run(_serve(settings.model_copy(update={"console": settings.console.model_copy(update=given)})))


def told(serving: "Serving") -> None:
    """Say where it is, and the login that was made."""
    stderr.print(f"Console  {serving.url}", highlight=False)
    if serving.login:
        name, password = serving.login
        stderr.print(f"Login    {name} / {password}   (made just now, shown this once)", highlight=False, markup=False)


async def stopped() -> None:
    """Wait for SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


def imported() -> "Callable[[Settings, Metrics], AbstractAsyncContextManager[Serving]]":
    """What serves the console; raises ConfigError where its libraries are not installed."""
    try:
        from pipeline.console.server import serving
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error.name} is not installed", 'Install it: pip install "voxwarden[console]".') from error
    return serving


async def _serve(settings: Settings) -> None:
    """Waits for a database that does not answer, and tells so in its figures."""
    from pipeline.dependencies import Dependencies, answered
    from pipeline.metrics import Metrics
    from pipeline.metrics_server import serving as figures
    from pipeline.review.database import check_answers

    metrics = Metrics()
    with figures(metrics, settings.metrics.host, settings.metrics.port) as url:
        check = partial(check_answers, settings.database_url)
        with Dependencies({"database": check}, metrics).watching():
            await answered(check)
            async with imported()(settings, metrics) as found:
                told(found)
                stderr.print(f"Figures  {url}", highlight=False)
                stderr.print("Ctrl-C ends it.", style="dim")
                await stopped()
