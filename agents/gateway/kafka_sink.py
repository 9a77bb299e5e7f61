"""The gateway of a Kafka deployment. It writes audio to `voice.audio`, where the workers read it."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agents.broker import kafka_topics
from agents.broker.kafka_clients import MAX_MESSAGE_BYTES, topic_name
from agents.broker.kafka_records import partition_of, size_of
from agents.broker.kafka_security import producer_arguments
from agents.gateway import Gateway
from pipeline.base.dependencies import answered
from pipeline.base.errors import DependencyError
from pipeline.base.metrics import Metrics
from pipeline.base.metrics_server import Starting, serving
from pipeline.base.stopping import stop_on_signals
from pipeline.contract.cloud_events import Event, encode_event
from pipeline.contract.messages import AudioChunk
from pipeline.contract.topology import AUDIO
from pipeline.settings import Kafka, Settings

# Time for Kafka to confirm audio. A new leader is elected within it; after it, the connection is closed.
CONFIRM_SECONDS = 10.0

BUFFER_BYTES = 67_108_864  # bytes of all connections that wait for Kafka, so that an outage does not fill the memory

LINGER_SECONDS = 0.01  # how long a batch waits for more records

WATCH_SECONDS = 0.25  # how often to check the age of the records in flight
RETRY_MS = 250  # pause between attempts to reach a broker that is down
ASK_SECONDS = 5.0  # time limit for one attempt to reach the broker, so that a stop never waits longer
# Time for the Kafka client to close. By then every chunk is confirmed, or its app was told.
STOP_SECONDS = 2.0
Started = Callable[[Gateway, str], None]
"""Called with the gateway and the URL of its metrics once both listen."""
log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class PendingRecord:
    """A record in flight. `confirmed` is done when the broker has it, and cancelled when nobody waits for it."""

    event: Event
    at: float
    """Time of the handover, in seconds of the event loop's clock."""
    confirmed: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def fail(self, error: Exception) -> None:
        if not self.confirmed.done():
            self.confirmed.set_exception(error)

    def confirm(self) -> None:
        if not self.confirmed.done():
            self.confirmed.set_result(None)


class PartitionSender:
    """The records for one partition. Only one batch is in flight, so that a retried batch stays before the next one."""

    def __init__(self, producer: Any, topic: str, partition: int, unanswered: Callable[[], Exception]) -> None:
        self._producer = producer
        self._topic = topic
        self._partition = partition
        self._unanswered = unanswered
        self._waiting: deque[PendingRecord] = deque()
        self._in_flight: list[PendingRecord] = []
        self._some_wait = asyncio.Event()

    def put(self, record: PendingRecord) -> None:
        self._waiting.append(record)
        self._some_wait.set()

    @property
    def oldest(self) -> float | None:
        """Time of the handover of the oldest record in hand; None if there is none."""
        return next((record.at for record in self._records()), None)

    async def run(self) -> None:
        while True:
            await self._some_wait.wait()
            await asyncio.sleep(LINGER_SECONDS)
            batch = self._filled()
            if not self._waiting:
                self._some_wait.clear()
            if self._in_flight:
                await self._send(batch)

    def expire(self, before: float) -> None:
        """Fail the records handed over before time `before`. Drop the ones that are not in flight."""
        for record in self._records():
            if record.at < before:
                record.fail(self._unanswered())
        while self._waiting and self._waiting[0].confirmed.done():
            self._waiting.popleft()

    def _records(self) -> Iterator[PendingRecord]:
        yield from self._in_flight
        yield from self._waiting

    def _filled(self) -> Any:
        """Return a batch with as many waiting records as fit. Records that nobody waits for are left out."""
        batch = self._producer.create_batch()
        while self._waiting:
            record = self._waiting[0]
            if not record.confirmed.done():
                event = record.event
                if not batch.append(key=event.key, value=event.value, timestamp=None, headers=event.headers):
                    break  # the batch is full; the record begins the next one
                self._in_flight.append(record)
            self._waiting.popleft()
        return batch

    async def _send(self, batch: Any) -> None:
        try:
            batch.close()
            await (await self._producer.send_batch(batch, self._topic, partition=self._partition))
        except Exception as error:  # whatever it is, the sender must go on: all rooms of its partition wait for it
            log.warning("Kafka did not take %d records: %s", len(self._in_flight), type(error).__name__)
            reason = DependencyError(f"Kafka refuses audio ({type(error).__name__})", "See the broker's log.")
            for record in self._in_flight:
                record.fail(reason)
        else:
            for record in self._in_flight:
                record.confirm()
        self._in_flight = []


class KafkaSink:
    """The gateway's `Sink`: each future is done when all in-sync replicas have the chunk.

    `async with KafkaSink(kafka) as sink` connects. It raises DependencyError if the broker cannot be reached.
    A future fails with DependencyError if the broker rejects a chunk, or does not confirm it within CONFIRM_SECONDS.
    While a partition has not answered for that long, its chunks are refused at once. At most BUFFER_BYTES wait; then
    calls wait, too.
    """

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._topic = topic_name(AUDIO, kafka)
        self._bytes = 0
        self._space = asyncio.Event()
        self._senders: dict[int, PartitionSender] = {}  # by partition
        self._tasks: list[asyncio.Task[None]] = []
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it logs each attempt; we report the result

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._producer = await self._connected()
        partitions = await self._producer.partitions_for(self._topic)  # a later partition gets audio after a restart
        self._senders = {
            number: PartitionSender(self._producer, self._topic, number, self._unanswered) for number in partitions
        }
        runs = [sender.run() for sender in self._senders.values()]
        self._tasks = [loop.create_task(each) for each in (*runs, self._watch())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await _stopped(self._producer)

    async def __call__(self, chunk: AudioChunk) -> "asyncio.Future[None]":
        event = encode_event(chunk, "gateway", self._kafka.room_shards)
        sender = self._senders[partition_of(event.key, self._senders)]
        if sender.oldest is not None and sender.oldest < self._loop.time() - CONFIRM_SECONDS:
            raise self._unanswered()  # at once: to wait first would only fill the buffer for the other partitions
        size = size_of(event)
        await self._wait_for_space(size)
        record = PendingRecord(event, self._loop.time())
        self._bytes += size
        record.confirmed.add_done_callback(lambda _: self._release(size))
        sender.put(record)
        return record.confirmed

    async def _connected(self) -> Any:
        made = AIOKafkaProducer(
            bootstrap_servers=self._kafka.bootstrap,
            client_id="voxwarden",
            acks="all",
            max_batch_size=MAX_MESSAGE_BYTES,
            max_request_size=MAX_MESSAGE_BYTES,
            request_timeout_ms=round(CONFIRM_SECONDS * 1000),
            retry_backoff_ms=RETRY_MS,
            **producer_arguments(self._kafka.security),
        )
        try:
            await made.start()
        except KafkaError as error:
            await made.stop()  # aiokafka leaves its connections open
            raise self._unanswered() from error
        return made

    async def _wait_for_space(self, size: int) -> None:
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                while self._bytes and self._bytes + size > BUFFER_BYTES:  # an empty buffer takes a chunk of any size
                    self._space.clear()
                    await self._space.wait()
        except TimeoutError as error:
            raise self._unanswered() from error

    def _release(self, size: int) -> None:
        self._bytes -= size
        self._space.set()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            for sender in self._senders.values():
                sender.expire(self._loop.time() - CONFIRM_SECONDS)

    def _unanswered(self) -> DependencyError:
        return DependencyError(
            f"Kafka at {self._kafka.bootstrap} has not taken audio for {CONFIRM_SECONDS:g} s",
            "Check that the broker runs, and that enough of its replicas are in sync.",
        )


async def _stopped(producer: Any) -> None:
    """Close the producer. If the broker is down, close its connections after a time limit."""
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await producer.stop()
    except TimeoutError:
        log.warning("Kafka did not confirm the last records; the apps were told")
        # aiokafka's `stop` was cancelled while it waited for the broker, and has closed nothing yet.
        await producer._sender.close()
        await producer.client.close()


async def serve_gateway(settings: Settings, started: Started, stop: asyncio.Event | None = None) -> None:
    """Take audio until SIGTERM, SIGINT or `stop`. Then close each connection after its last chunk is with the broker.

    Starts when the broker answers. Raises ConfigError if the topic is missing.
    """
    stop = stop or stop_on_signals()
    metrics, starting = Metrics(), Starting()
    with serving(metrics, settings.metrics.host, settings.metrics.port, starting.probes) as url:
        if not await _broker_answers(settings.kafka, stop):
            return
        async with (
            KafkaSink(settings.kafka) as sink,
            Gateway(settings.gateway, metrics, sink) as gateway,
        ):
            starting.done = True
            started(gateway, url)
            await stop.wait()
            log.info("stopping: accepts no new audio; the broker has all accepted audio")


async def _broker_answers(kafka: Kafka, stop: asyncio.Event) -> bool:
    """Wait until the broker answers and has the topic. Returns False if `stop` comes first."""
    soon = kafka.model_copy(update={"connect_seconds": min(kafka.connect_seconds, ASK_SECONDS)})
    asking = asyncio.ensure_future(answered(lambda: kafka_topics.require_topics(soon, [AUDIO])))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not asking.done():
        asking.cancel()
        return False
    asking.result()
    return True
