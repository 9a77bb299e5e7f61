"""Runs bots, actor and webhook receiver in one process: `voxwarden livekit`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from msgspec import Struct

from pipeline.base.dependencies import Dependencies, answered
from pipeline.base.errors import ConfigError
from pipeline.base.metrics import Metrics
from pipeline.base.metrics_server import Starting
from pipeline.base.metrics_server import serving as figures
from pipeline.connect.client.speaker_stream import SpeakerStream
from pipeline.connect.livekit import livekit_server, livekit_webhooks
from pipeline.connect.livekit.livekit_server import Moderation
from pipeline.connect.livekit.livekit_webhooks import Signature
from pipeline.connect.livekit.member_beats import BEAT_SECONDS, MemberBeats
from pipeline.connect.livekit.microphone import Speech
from pipeline.connect.livekit.room_bots import RoomBots
from pipeline.connect.livekit.room_enforcement import Actor
from pipeline.judge import labels
from pipeline.review.database import Database, check_answers
from pipeline.settings import Settings

log = logging.getLogger(__name__)

CALLBACK = "error running user callback"
"""The beginning of a message that LiveKit's library sends to the root logger. The text of a whole event follows."""

Stop = Callable[[], Coroutine[Any, Any, object]]
"""Waits for the signal to stop."""


class Listening(Struct, frozen=True, kw_only=True):
    """The addresses of a running process. `webhook_url` is empty if it receives no webhooks."""

    metrics_url: str
    webhook_url: str


async def serve_livekit(settings: Settings, started: Callable[[Listening], None], stop: Stop) -> None:
    """Listen and act until `stop` returns. While the database does not answer, wait.

    Raises ConfigError for missing keys, and DependencyError for a port in use.
    """
    _check(settings)
    quiet()
    metrics, starting = Metrics(), Starting()
    check = partial(check_answers, settings.database_url)
    watching = Dependencies({"database": check}, metrics).watching()
    with figures(metrics, settings.metrics.host, settings.metrics.port, starting.probes) as url, watching:
        # Before the first bot joins: without the database, it could hear, but not act.
        await answered(check)
        async with _running(settings, metrics) as (work, webhook_url):
            starting.done = True
            started(Listening(metrics_url=url, webhook_url=webhook_url))
            await _until(stop, work)


@asynccontextmanager
async def _running(settings: Settings, metrics: Metrics) -> AsyncIterator[tuple[list[asyncio.Task[None]], str]]:
    """Start all parts. Gives their tasks, which end only by an error, and the address for webhooks."""
    database = Database(settings.database_url)
    async with AsyncExitStack() as stack:
        stack.callback(database.close)
        service = (await stack.enter_async_context(livekit_server.client(settings.livekit))).room

        def arrived(room: str, identity: str) -> None:  # rooms and actor each need the other
            actor.arrived(room, identity)

        rooms = RoomBots(settings.livekit, service, _speech(settings), metrics, arrived)
        actor = Actor(
            settings.livekit,
            settings.console.undo_seconds,
            database,
            Moderation(service),
            rooms.covers,
            metrics,
        )
        # The stack unwinds backwards: no more webhooks, then leave the rooms, then close the client and the database.
        stack.push_async_callback(rooms.close)
        address = await stack.enter_async_context(_receiver(settings, rooms, metrics))
        work = [asyncio.create_task(rooms.run()), asyncio.create_task(actor.run())]
        if settings.livekit.members:
            work.append(asyncio.create_task(_standing_in(rooms, MemberBeats(settings.livekit, database))))
        try:
            yield work, address
        finally:
            for task in work:
                task.cancel()
            await asyncio.wait(work)


async def _standing_in(rooms: RoomBots, beats: MemberBeats) -> None:
    """Take the rooms of members that are lost, until the task is cancelled."""
    while True:
        rooms.stand_in(await asyncio.to_thread(beats.lost))
        await asyncio.sleep(BEAT_SECONDS)


async def _until(stop: Stop, work: list[asyncio.Task[None]]) -> None:
    """Wait for `stop`. Raise the error of a part that fails."""
    waiting = asyncio.create_task(stop())
    done, _ = await asyncio.wait({waiting, *work}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for task in done:
        task.result()


def quiet() -> None:
    """Keep the names of rooms and participants out of the log. LiveKit's library logs them."""
    logging.getLogger("livekit").setLevel(logging.CRITICAL)
    # It logs errors of our handlers to the root logger. Keep their traceback, and leave the event out.
    logging.getLogger().addFilter(_without_event)


def _without_event(record: logging.LogRecord) -> bool:
    if str(record.msg).startswith(CALLBACK) and isinstance(record.args, tuple):
        record.args = (record.args[0], "(left out)")
    return True


def _receiver(settings: Settings, rooms: RoomBots, metrics: Metrics) -> AbstractAsyncContextManager[str]:
    livekit = settings.livekit
    if livekit.webhook_port is None:
        return _no_webhooks()
    signature = Signature(livekit.api_key, livekit_server.secret_of(livekit))
    return livekit_webhooks.receiving(livekit.webhook_host, livekit.webhook_port, signature, rooms.hint, metrics)


@asynccontextmanager
async def _no_webhooks() -> AsyncIterator[str]:
    yield ""


def _speech(settings: Settings) -> Callable[[str, str], AbstractAsyncContextManager[Speech]]:
    livekit, token = settings.livekit, _gateway_token(settings)
    return lambda room, speaker: SpeakerStream(livekit.gateway_url, token, room, speaker, room_type=livekit.room_type)


def _gateway_token(settings: Settings) -> str:
    if not settings.gateway.tokens:
        raise ConfigError("gateway.tokens is empty", "Set VOXWARDEN_GATEWAY__TOKENS to a list with the bot's token.")
    return settings.gateway.tokens[0].get_secret_value()


def _check(settings: Settings) -> None:
    """Raise ConfigError before anything starts: a label that does not exist would make a rule that never acts."""
    livekit_server.secret_of(settings.livekit)
    _gateway_token(settings)
    known = labels.load_labels(settings.judge.labels)
    for rule in settings.livekit.rules:
        known.check(rule.labels, "livekit.rules")
