"""`voxwarden livekit`: listen and act in LiveKit rooms."""

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import typer

from agents.commands.app import Exit, app, settings_of, stderr
from pipeline.base.libraries import importing
from pipeline.base.stopping import stopped
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.connect.livekit.livekit_process import Listening


@app.command()
def livekit(ctx: typer.Context) -> None:
    """Listen to each microphone in LiveKit rooms, and carry out actions there.

    A hidden bot joins each room that matches livekit.rooms, and sends the audio of each speaker to the gateway. Use it
    with `voxwarden run`, or with `voxwarden gateway` and the workers. It carries out the actions of moderators and of
    livekit.rules: warn, mute, remove, close the room. docs/livekit.md leads from nothing to the first flag.

    Example:
      VOXWARDEN_LIVEKIT__API_KEY=... VOXWARDEN_LIVEKIT__API_SECRET=... voxwarden livekit
    """
    asyncio.run(_serve(settings_of(ctx)))
    # A thread of LiveKit's library that calls Python while the interpreter ends would abort the process.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(Exit.CLEAN)


async def _serve(settings: Settings) -> None:
    with importing("livekit"):
        from pipeline.connect.livekit.livekit_process import serve_livekit
    await serve_livekit(settings, _started, stopped)


def _started(listening: "Listening") -> None:
    stderr.print(f"Metrics  {listening.metrics_url}", highlight=False)
    if listening.webhook_url:
        stderr.print(f"Webhooks {listening.webhook_url}", highlight=False)
    stderr.print("Press Ctrl-C to stop.", style="dim")
