"""`voxwarden rtp`: receive the audio of speakers as RTP."""

import asyncio
from typing import TYPE_CHECKING

import typer

from agents.commands.app import app, settings_of, stderr
from pipeline.base.libraries import importing
from pipeline.base.stopping import stopped
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.connect.rtp.rtp_server import Receiving


@app.command()
def rtp(ctx: typer.Context) -> None:
    """Receive the audio of speakers as RTP, from mediasoup or Janus.

    Your app names each stream over a small HTTP API, and its media server sends the packets. The speech goes to the
    gateway: use it with `voxwarden run`, or with `voxwarden gateway` and the workers. docs/integrate.md has the calls.
    If no token is set in rtp.tokens, it prints one for this run.

    Example:
      VOXWARDEN_GATEWAY__TOKENS='["<token of the gateway>"]' voxwarden rtp
    """
    asyncio.run(_serve(settings_of(ctx)))


async def _serve(settings: Settings) -> None:
    with importing("console"):
        from pipeline.connect.rtp.rtp_server import serve_rtp
    await serve_rtp(settings, _started, stopped)


def _started(receiving: "Receiving") -> None:
    stderr.print(f"Streams  {receiving.api_url}", highlight=False, soft_wrap=True)
    stderr.print(f"Metrics  {receiving.metrics_url}", highlight=False)
    if receiving.token:
        line = f"Token    {receiving.token}   (for the streams, only for this run; set rtp.tokens to keep one)"
        stderr.print(line, highlight=False, markup=False, soft_wrap=True)
    stderr.print("Press Ctrl-C to stop.", style="dim")
