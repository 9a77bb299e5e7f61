"""The gateway of a deployment: what apps send goes to `voice.audio`, and workers elsewhere take it from there."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from kafka.errors import KafkaError

from agents import topics
from agents.gateway import Gateway
from agents.kafka import broker_errors, discard, producer, topic_name
from agents.records import RECORD_OVERHEAD
from agents.signals import stop_on_signals
from pipeline.errors import ConfigError, DependencyError
from pipeline.events import Event, encode
from pipeline.messages import AudioChunk
from pipeline.metrics import Metrics
from pipeline.metrics_server import serving
from pipeline.settings import Kafka, Settings
from pipeline.topology import AUDIO

CONFIRM_SECONDS = 30.0
"""A broker that restarts is waited for; after so long a client had better connect again, perhaps elsewhere."""

Started = Callable[[Gateway, str], None]
"""Told the gateway and the URL of its figures once both listen."""

log = logging.getLogger(__name__)


class KafkaSink:
    """`Sink` of the gateway: returns once all in-sync replicas have the chunk, so a slow broker slows clients.

    `async with KafkaSink(kafka) as sink`; raises DependencyError if the broker cannot be reached or refuses a chunk.
    """

    def __init__(self, kafka: Kafka, confirm_seconds: float = CONFIRM_SECONDS) -> None:
        self._kafka = kafka
        self._topic = topic_name(AUDIO, kafka)
        self._confirm_seconds = confirm_seconds
        # The client's calls may wait for the broker, and the event loop must not.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gateway-kafka")

    async def __aenter__(self) -> Self:
        self._producer = await self._in_thread(self._connected)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Every chunk that was taken is confirmed by now, or its client was told.
        await self._in_thread(lambda: discard(self._producer))
        self._thread.shutdown()

    async def __call__(self, chunk: AudioChunk) -> None:
        event = encode(chunk, "gateway")
        try:
            async with asyncio.timeout(self._confirm_seconds):
                await self._confirmed(event)
        except TimeoutError as error:
            raise DependencyError(
                f"Kafka at {self._kafka.bootstrap} has not taken audio for {self._confirm_seconds:g} s",
                "Check that the broker runs, and that enough of its replicas are in sync.",
            ) from error

    async def _confirmed(self, event: Event) -> None:
        loop, answered = asyncio.get_running_loop(), asyncio.Event()
        with broker_errors(self._kafka):
            sent = await self._in_thread(lambda: self._send(event))
            sent.add_both(lambda _: loop.call_soon_threadsafe(answered.set))
            await answered.wait()
            if isinstance(sent.exception, KafkaError):
                raise sent.exception

    def _connected(self) -> Any:
        """A producer that knows the topic: it would wait a minute for that in `send`, and everybody with it."""
        made = producer(self._kafka)
        with broker_errors(self._kafka):
            made.partitions_for(self._topic)
        return made

    def _send(self, event: Event) -> Any:
        return self._producer.send(self._topic, key=event.key, value=event.value, headers=event.headers)

    async def _in_thread(self, function: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)


async def serve(settings: Settings, started: Started, stop: asyncio.Event | None = None) -> None:
    """Take audio until SIGTERM, SIGINT or `stop`; then close the connections once their last chunk is with the broker.

    Raises ConfigError when the topic is missing or a frame would not fit into it.
    """
    stop = stop or stop_on_signals()
    check(settings)
    topics.require_topics(settings.kafka, [AUDIO])
    metrics = Metrics()
    with serving(metrics, settings.metrics.host, settings.metrics.port) as url:
        async with KafkaSink(settings.kafka) as sink, Gateway(settings.gateway, metrics, sink) as gateway:
            started(gateway, url)
            await stop.wait()
            log.info("stopping: no new audio; what was taken is with the broker")


def check(settings: Settings) -> None:
    """Raise ConfigError where the largest frame is larger than a record may be."""
    frame, record = settings.gateway.max_frame_bytes, settings.kafka.max_message_bytes
    if frame + 2 * RECORD_OVERHEAD > record:
        raise ConfigError(
            f"Setting gateway.max_frame_bytes: a frame of {frame} bytes does not fit into a record of {record}",
            "Lower it, or raise kafka.max_message_bytes.",
        )
