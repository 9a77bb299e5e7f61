"""`voxwarden demo`: moderate two small rooms as if they were live. `make run` starts it."""

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.commands.app import app, settings_of
from agents.commands.terminal import stderr, stdout
from pipeline.base.libraries import importing
from pipeline.base.stopping import stopped
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.base.metrics import Metrics
    from pipeline.runner.demo_rooms import DemoPlayback


@app.command()
def demo(
    ctx: typer.Context,
    speed: Annotated[
        float, typer.Option(min=0.1, max=20, help="Speed of the playback; 2 is twice as fast as live.")
    ] = 1.0,
    console: Annotated[bool, typer.Option("--console", help="Also serve the review console until Ctrl-C.")] = False,
) -> None:
    """Moderate two bundled rooms as if they were live, and show the flags as they arrive.

    Use it to see Voxwarden work without an app. Four synthetic speakers talk in English and Mandarin, some of them
    against the rules. Flagged speech is stored as cases with clips, as in a deployment; `voxwarden cases list` shows
    them afterwards. The demo ends after about 40 seconds.

    Examples:
      voxwarden demo
      voxwarden demo --console
    """
    asyncio.run(_demo(settings_of(ctx), speed, console))


async def _demo(settings: Settings, speed: float, console: bool) -> None:
    from pipeline.base.metrics import Metrics
    from pipeline.base.metrics_server import serving
    from pipeline.base.private_files import sole_user
    from pipeline.review.evidence.lookback import open_lookback
    from pipeline.runner.demo_rooms import DemoPlayback, next_start, play
    from pipeline.runner.local import LocalRunner

    metrics = Metrics()
    audience = _Audience()
    # Any free port: another process may have the port of the settings, and nobody scrapes a demo.
    with sole_user(settings.data_dir), serving(metrics, settings.metrics.host, 0) as url:
        stdout.print(f"Two rooms, four speakers, as if live. Metrics: {url}")
        async with _console(settings, metrics) if console else nullcontext():
            stderr.print("Loading the models ...", style="dim")
            async with LocalRunner(settings, metrics, audience.see, lookback=open_lookback(settings)) as runner:
                stdout.print("Listening. Flags appear as people speak.\n", style="dim")
                audience.playback = DemoPlayback(next_start(time.time()), speed)
                await play(runner.put, audience.playback)
            audience.sum_up(settings)


@asynccontextmanager
async def _console(settings: Settings, metrics: "Metrics") -> AsyncIterator[None]:
    """Serve the review console until Ctrl-C."""
    from agents.commands.servers import print_address

    with importing("console"):
        from pipeline.console.console_app import serving
    async with serving(settings, metrics) as found:
        print_address(found)
        yield
        stderr.print(f"Decide the cases at {found.url}. Press Ctrl-C to stop.", highlight=False)
        await stopped()


class _Audience:
    """Prints each judged utterance, and a summary at the end."""

    def __init__(self) -> None:
        self._flags: list[Any] = []
        self.playback: DemoPlayback | None = None

    def see(self, stage: Any, batch: Sequence[Any], outputs: Sequence[Any]) -> None:
        from agents.commands.table import arrived_row
        from pipeline.contract.messages import Flag

        for flag in outputs:
            if not isinstance(flag, Flag):
                continue
            self._flags.append(flag)
            stdout.print(arrived_row(flag, self.playback.played_at(flag.end) if self.playback else None))

    def sum_up(self, settings: Settings) -> None:
        flagged = [flag for flag in self._flags if flag.suggestion != "pass"]
        stdout.print(
            f"\n{len(self._flags)} utterances, {len(flagged)} flagged. Each row has the time when the speech "
            f"ended, and the delay of the flag.\n"
            f"{_activation()}Cases:  voxwarden cases list   (in {settings.data_dir / 'voxwarden.db'})\n"
            f"Clips:  {settings.data_dir / 'evidence'}\n"
            f"Your own recordings:  voxwarden moderate FILE…\n"
            f"Live rooms:  voxwarden run",
            highlight=False,
        )


def _activation() -> str:
    """What to type first in a new terminal, if the command is not on the PATH, as after `make run`."""
    script = Path(sys.prefix) / "bin" / "activate"
    return "" if shutil.which("voxwarden") or not script.is_file() else f"First, in a new terminal:  . {script}\n"
