"""`voxwarden run`: live rooms on one machine, with no broker."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.app import app, settings_of, stderr, stdout
from pipeline.cli.console import told

if TYPE_CHECKING:
    from agents.gateway import Gateway
    from pipeline.messages import Flag
    from pipeline.review.console.server import Serving


@app.command()
def run(
    ctx: typer.Context,
    show: Annotated[bool, typer.Option("--show", help="Print every verdict with its words; not for a log.")] = False,
) -> None:
    """Moderate live rooms in one process: WebSocket gateway, all stages, review store and metrics.

    Apps send each speaker's audio to the gateway, as docs/integrate.md shows; `voxwarden cases list` shows what was
    flagged. Ctrl-C or SIGTERM closes the connections, finishes what is in hand, and ends.

    Examples:
      voxwarden run --show
      VOXWARDEN_GATEWAY__TOKENS='["<long random text>"]' voxwarden --set gateway.host=0.0.0.0 run
    """
    from agents.run import run as serve

    stderr.print("Loading the models ...", style="dim")
    asyncio.run(serve(settings_of(ctx), _Terminal(show)))


class _Terminal:
    """Tells the person who started it where everything is."""

    def __init__(self, show: bool) -> None:
        self._show = show

    def started(self, gateway: "Gateway", metrics_url: str, console: "Serving | None") -> None:
        stderr.print(f"Gateway  ws://127.0.0.1:{gateway.port}/v1/rooms/ROOM/speakers/SPEAKER/audio", highlight=False)
        if gateway.generated_token:
            stderr.print(f"Token    {gateway.generated_token}   (made for this run; set gateway.tokens to keep one)")
        stderr.print(f"Figures  {metrics_url}", highlight=False)
        if console:
            told(console)
        else:
            stderr.print('Console  not installed: pip install "voxwarden[console]"', markup=False)
        stderr.print("Ctrl-C ends it.", style="dim")

    def judged(self, flag: "Flag") -> None:
        if self._show:
            from pipeline.cli.table import arrived_row

            stdout.print(arrived_row(flag))
