"""`voxwarden run`: moderate live rooms on one machine, without Kafka."""

import asyncio
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from agents.commands.app import app, settings_of
from agents.commands.results import LineWriter, verdict_line
from agents.commands.servers import print_address, print_api
from agents.commands.terminal import json_text, stderr, stdout
from pipeline.base.libraries import install_extra, without_collection
from pipeline.base.stopping import stop_on_signals
from pipeline.settings import Settings

if TYPE_CHECKING:
    from agents.gateway import Gateway
    from pipeline.connect.api.api_server import ServedApi
    from pipeline.console.console_app import Serving
    from pipeline.contract.messages import Flag


class RunFormat(StrEnum):
    JSONL = "jsonl"


@app.command()
def run(
    ctx: typer.Context,
    show: Annotated[
        bool, typer.Option("--show", help="Print every flag with its text. Do not use it with a log.")
    ] = False,
    form: Annotated[
        RunFormat | None,
        typer.Option("--format", help="jsonl: print every judged utterance as one JSON line, for a program."),
    ] = None,
    api: Annotated[
        bool, typer.Option("--api", help="Serve the HTTP API for programs, too. It shares the loaded models.")
    ] = False,
) -> None:
    """Moderate live rooms in one process: WebSocket gateway, all stages, review store, console and metrics.

    Use it when one machine is enough for your rooms. Apps send each speaker's audio to the gateway, as
    docs/integrate.md shows. `voxwarden cases list` shows the flagged speech. Ctrl-C or SIGTERM closes the connections,
    processes the received audio, and ends. After a kill, the next run processes this audio. Only one run at a time can
    use a data folder.

    Examples:
      voxwarden run --show
      voxwarden run --format jsonl > verdicts.jsonl
      VOXWARDEN_GATEWAY__TOKENS='["<long random text>"]' voxwarden --set gateway.host=0.0.0.0 run
    """
    if show and form:
        raise typer.BadParameter("use --show for a person, or --format for a program", param_hint="--format")
    settings = settings_of(ctx)
    stderr.print("Loading the models ...", style="dim")
    host = settings.gateway.host
    if form is None:
        asyncio.run(_serve(settings, _Terminal(show, host), api))
    else:
        asyncio.run(_to_program(settings, host, api))


async def _serve(settings: Settings, host: "_Terminal", api: bool, stop: asyncio.Event | None = None) -> None:
    with without_collection():
        from agents.one_machine import run_one_machine as serve

    await serve(settings, host, stop, with_api=api)


async def _to_program(settings: Settings, host: str, api: bool) -> None:
    """Run until a signal comes, or until the reader of the lines has ended."""
    stop = stop_on_signals()
    loop = asyncio.get_running_loop()
    with LineWriter(partial(loop.call_soon_threadsafe, stop.set)) as writer:
        await _serve(settings, _FlagLines(writer, host), api, stop)


class _Terminal:
    """Prints the addresses of all parts, and with `show` every flag."""

    def __init__(self, show: bool, host: str) -> None:
        self._show = show
        self._host = f"[{host}]" if ":" in host else host  # an IPv6 address in a URL has brackets

    def started(self, gateway: "Gateway", metrics_url: str, console: "Serving | None", api: "ServedApi | None") -> None:
        _print(f"Gateway  ws://{self._host}:{gateway.port}/v1/rooms/ROOM/speakers/SPEAKER/audio")
        if gateway.generated_token:
            _print(f"Token    {gateway.generated_token}   (only for this run; set gateway.tokens to keep one)")
        _print(f"Metrics  {metrics_url}")
        if console:
            print_address(console)
        else:
            _print(f"Console  not installed: {install_extra('console')}")
        if api:
            print_api(api)
        stderr.print("Press Ctrl-C to stop.", style="dim")

    def judged(self, flag: "Flag") -> None:
        if self._show:
            from agents.commands.table import arrived_row

            stdout.print(arrived_row(flag))


class _FlagLines(_Terminal):
    """Prints the addresses of all parts on stderr, and every flag as a JSON line on stdout."""

    def __init__(self, writer: LineWriter, host: str) -> None:
        super().__init__(show=False, host=host)
        self._writer = writer

    def judged(self, flag: "Flag") -> None:
        self._writer.write(json_text(msgspec.json.encode(verdict_line(flag)).decode()))


def _print(line: str) -> None:
    """Print one line on stderr without wrapping it, so that it stays one line in a log."""
    stderr.print(line, markup=False, highlight=False, soft_wrap=True)
