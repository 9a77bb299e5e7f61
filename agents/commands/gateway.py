"""`voxwarden gateway`: write live audio to Kafka."""

import asyncio
from typing import TYPE_CHECKING

import typer

from agents.commands.app import app, settings_of, stderr
from pipeline.base.libraries import without_collection

if TYPE_CHECKING:
    from agents.gateway import Gateway


@app.command()
def gateway(ctx: typer.Context) -> None:
    """Receive live audio over WebSocket and write it to Kafka for the workers.

    Use it when the workers run on Kafka. Start as many gateways as you need behind a load balancer. A chunk is
    acknowledged when every in-sync replica has it. While the broker is slow, the gateway slows its clients down. If the
    broker does not answer, clients are told to try later (close code 1013). On SIGTERM the gateway closes its
    connections with 1012, so that clients connect to another gateway. docs/integrate.md shows what apps send.

    Example:
      VOXWARDEN_GATEWAY__TOKENS='["<long random text>"]' voxwarden --set gateway.host=0.0.0.0 gateway
    """
    with without_collection():
        from agents.gateway.kafka_sink import serve_gateway

    asyncio.run(serve_gateway(settings_of(ctx), _started))


def _started(running: "Gateway", metrics_url: str) -> None:
    stderr.print(f"Gateway  port {running.port}, /v1/rooms/ROOM/speakers/SPEAKER/audio", highlight=False)
    if running.generated_token:
        stderr.print(f"Token    {running.generated_token}   (only for this run; set gateway.tokens to keep one)")
    stderr.print(f"Metrics  {metrics_url}", highlight=False)
