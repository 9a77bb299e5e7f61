"""`voxwarden run`: moderate live rooms on one machine, without Kafka."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.app import app, settings_of, stderr, stdout
from pipeline.cli.console import print_address

if TYPE_CHECKING:
    from agents.gateway import Gateway
    from pipeline.console.server import Serving
    from pipeline.messages import Flag


@app.command()
def run(
    ctx: typer.Context,
    show: Annotated[
        bool, typer.Option("--show", help="Print every flag with its text. Do not use it with a log.")
    ] = False,
) -> None:
    """Moderate live rooms in one process: WebSocket gateway, all stages, review store, console and metrics.

    Use it when one machine is enough for your rooms. Apps send each speaker's audio to the gateway, as
    docs/integrate.md shows. `voxwarden cases list` shows the flagged speech. Ctrl-C or SIGTERM closes the connections,
    processes the received audio, and ends. After a kill, the next run processes this audio. Only one run at a time can
    use a data folder.

    Examples:
      voxwarden run --show
      VOXWARDEN_GATEWAY__TOKENS='["<long random text>"]' voxwarden --set gateway.host=0.0.0.0 run
    """
    from agents.run import run as serve

    settings = settings_of(ctx)
    stderr.print("Loading the models ...", style="dim")
    asyncio.run(serve(settings, _Terminal(show, settings.gateway.host)))


class _Terminal:
    """Prints the addresses of all parts, and with `show` every flag."""

    def __init__(self, show: bool, host: str) -> None:
        self._show = show
        self._host = f"[{host}]" if ":" in host else host

    def started(self, gateway: "Gateway", metrics_url: str, console: "Serving | None") -> None:
        _print(f"Gateway  ws://{self._host}:{gateway.port}/v1/rooms/ROOM/speakers/SPEAKER/audio")
        if gateway.generated_token:
            _print(f"Token    {gateway.generated_token}   (only for this run; set gateway.tokens to keep one)")
        _print(f"Metrics  {metrics_url}")
        if console:
            print_address(console)
        else:
            _print('Console  not installed: pip install "voxwarden[console]"')
        stderr.print("Press Ctrl-C to stop.", style="dim")

    def judged(self, flag: "Flag") -> None:
        if self._show:
            from pipeline.cli.table import arrived_row

            stdout.print(arrived_row(flag))


def _print(line: str) -> None:
    """Print one line on stderr without wrapping it, so that it stays one line in a log."""
    stderr.print(line, markup=False, highlight=False, soft_wrap=True)
