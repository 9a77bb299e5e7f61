"""`voxwarden gateway`: live rooms into Kafka."""

import asyncio
from typing import TYPE_CHECKING

import typer

from pipeline.cli.app import app, settings_of, stderr

if TYPE_CHECKING:
    from agents.gateway import Gateway


@app.command()
def gateway(ctx: typer.Context) -> None:
    """Take live audio over WebSocket and hand it to the workers by Kafka; start as many as you like, behind a balancer.

    A chunk counts as taken when every in-sync replica has it. While the broker is slow, clients are slowed; if it does
    not answer, they are told to try later (close code 1013). SIGTERM closes the connections with 1012, for clients to
    connect to another one. docs/integrate.md shows what apps send.

    Example:
      VOXWARDEN_GATEWAY__TOKENS='["<long random text>"]' voxwarden --set gateway.host=0.0.0.0 gateway
    """
    from agents.gateway.sink import serve

    asyncio.run(serve(settings_of(ctx), _started))


def _started(running: "Gateway", metrics_url: str) -> None:
    stderr.print(f"Gateway  port {running.port}, /v1/rooms/ROOM/speakers/SPEAKER/audio", highlight=False)
    if running.generated_token:
        stderr.print(f"Token    {running.generated_token}   (made for this run; set gateway.tokens to keep one)")
    stderr.print(f"Figures  {metrics_url}", highlight=False)
