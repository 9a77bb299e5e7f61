"""The commands that serve one part until they are stopped: console, api, gateway, livekit, rtp."""

import asyncio
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from agents.commands.app import Exit, app, settings_of, with_options
from agents.commands.terminal import stderr
from pipeline.base.libraries import importing, without_collection
from pipeline.base.stopping import stopped
from pipeline.settings import Settings

if TYPE_CHECKING:
    from agents.gateway import Gateway
    from pipeline.connect.api.api_server import ServedApi
    from pipeline.connect.livekit.livekit_process import Listening
    from pipeline.connect.rtp.rtp_server import Receiving
    from pipeline.console.console_app import Serving


@app.command()
def console(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of console.host.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port, instead of console.port. 0 takes any free port.")
    ] = None,
) -> None:
    """Serve the review console for moderators on http://127.0.0.1:8080.

    Use it with `voxwarden worker` on Kafka; `voxwarden run` already includes the console. It reads the review store of
    the settings. At its first start it creates an account and prints the password once.

    Examples:
      voxwarden console
      voxwarden accounts add lin --role moderator
    """
    asyncio.run(_serve_console(with_options(settings_of(ctx), "console", host=host, port=port)))


def print_address(serving: "Serving") -> None:
    """Print the console's address, and the login if one was created."""
    stderr.print(f"Console  {serving.url}", highlight=False)
    if serving.login:
        name, password = serving.login
        stderr.print(f"Login    {name} / {password}   (new; it is shown only once)", highlight=False, markup=False)


async def _serve_console(settings: Settings) -> None:
    """Serve the console. While the database does not answer, wait and show that in the metrics."""
    from agents.broker.stored_transcripts import TopicSpeech
    from pipeline.base.dependencies import Dependencies, answered
    from pipeline.base.metrics import Metrics
    from pipeline.base.metrics_server import Starting
    from pipeline.base.metrics_server import serving as figures
    from pipeline.review.database import check_answers
    from pipeline.review.evidence.evidence_store import evidence_checks

    with importing("console"):
        from pipeline.console.console_app import serving
    metrics, starting = Metrics(), Starting()
    with figures(metrics, settings.metrics.host, settings.metrics.port, starting.probes) as url:
        check = partial(check_answers, settings.database_url)
        with Dependencies({"database": check, **evidence_checks(settings)}, metrics).watching():
            await answered(check)
            speech = TopicSpeech(settings) if settings.console.reads_speech else None
            async with serving(settings, metrics, speech) as found:
                starting.done = True
                print_address(found)
                stderr.print(f"Metrics  {url}", highlight=False)
                stderr.print("Press Ctrl-C to stop.", style="dim")
                await stopped()


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

    asyncio.run(serve_gateway(settings_of(ctx), _gateway_started))


def _gateway_started(running: "Gateway", metrics_url: str) -> None:
    stderr.print(f"Gateway  port {running.port}, /v1/rooms/ROOM/speakers/SPEAKER/audio", highlight=False)
    if running.generated_token:
        stderr.print(f"Token    {running.generated_token}   (only for this run; set gateway.tokens to keep one)")
    stderr.print(f"Metrics  {metrics_url}", highlight=False)


@app.command()
def rtp(ctx: typer.Context) -> None:
    """Receive the audio of speakers as RTP, from mediasoup or Janus.

    Your app names each stream over a small HTTP API, and its media server sends the packets. The speech goes to the
    gateway: use it with `voxwarden run`, or with `voxwarden gateway` and the workers. docs/integrate.md has the calls.
    If no token is set in rtp.tokens, it prints one for this run.

    Example:
      VOXWARDEN_GATEWAY__TOKENS='["<token of the gateway>"]' voxwarden rtp
    """
    asyncio.run(_serve_rtp(settings_of(ctx)))


async def _serve_rtp(settings: Settings) -> None:
    with importing("console"):
        from pipeline.connect.rtp.rtp_server import serve_rtp
    await serve_rtp(settings, _rtp_started, stopped)


def _rtp_started(receiving: "Receiving") -> None:
    stderr.print(f"Streams  {receiving.api_url}", highlight=False, soft_wrap=True)
    stderr.print(f"Metrics  {receiving.metrics_url}", highlight=False)
    if receiving.token:
        line = f"Token    {receiving.token}   (for the streams, only for this run; set rtp.tokens to keep one)"
        stderr.print(line, highlight=False, markup=False, soft_wrap=True)
    stderr.print("Press Ctrl-C to stop.", style="dim")


@app.command()
def livekit(ctx: typer.Context) -> None:
    """Listen to each microphone in LiveKit rooms, and carry out actions there.

    A hidden bot joins each room that matches livekit.rooms, and sends the audio of each speaker to the gateway. Use it
    with `voxwarden run`, or with `voxwarden gateway` and the workers. It carries out the actions of moderators and of
    livekit.rules: warn, mute, remove, close the room. docs/livekit.md leads from nothing to the first flag.

    Example:
      VOXWARDEN_LIVEKIT__API_KEY=... VOXWARDEN_LIVEKIT__API_SECRET=... voxwarden livekit
    """
    asyncio.run(_serve_livekit(settings_of(ctx)))
    # A thread of LiveKit's library that calls Python while the interpreter ends would abort the process. So the process
    # ends here, without Python's own end, which would also flush the streams.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(Exit.CLEAN)


async def _serve_livekit(settings: Settings) -> None:
    with importing("livekit"):
        from pipeline.connect.livekit.livekit_process import serve_livekit
    await serve_livekit(settings, _livekit_started, stopped)


def _livekit_started(listening: "Listening") -> None:
    stderr.print(f"Metrics  {listening.metrics_url}", highlight=False)
    if listening.webhook_url:
        stderr.print(f"Webhooks {listening.webhook_url}", highlight=False)
    stderr.print("Press Ctrl-C to stop.", style="dim")


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
    asyncio.run(_serve_api(with_options(settings_of(ctx), "api", host=host, port=port)))


def print_api(serving: "ServedApi") -> None:
    """Print the API's address, and the token if one was generated."""
    stderr.print(f"API      {serving.url}/v1/moderations", highlight=False, soft_wrap=True)
    if serving.token:
        line = f"Token    {serving.token}   (for the API, only for this run; set api.tokens to keep one)"
        stderr.print(line, highlight=False, markup=False, soft_wrap=True)


async def _serve_api(settings: Settings) -> None:
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
