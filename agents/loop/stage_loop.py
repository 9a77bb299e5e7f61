"""The loop of every stage: it takes batches from topic to topic and loses no record.

It decodes a batch, runs the stage in a thread, sends the results, and waits for the broker. Only then it acknowledges
the batch, in order. On an unexpected error the process ends without an acknowledgement. A supervisor starts it again,
and Kafka delivers the batch again. Faust's own ways (automatic acks, restarted agents, sinks) each lost records in
tests.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NoReturn, TypeVar, cast

import faust
from aiokafka.errors import KafkaError, KafkaTimeoutError
from aiokafka.errors import UnknownTopicOrPartitionError as UnknownTopicError

from agents.broker.kafka_clients import MAX_MESSAGE_BYTES, max_bytes, topic_name
from agents.broker.kafka_records import (
    Received,
    address_of,
    dead_letter,
    original,
    receive,
    refused,
    sender_of,
    size_of,
    spans_of,
)
from agents.loop.dead_letter_share import DeadLetterShare, HaltError
from agents.loop.faust_app import channel_of
from agents.loop.intake import Consumer
from agents.loop.record_batches import batches
from agents.loop.work import Work
from agents.loop.worker_thread import OneThread
from pipeline.base.cpu_cores import step_back
from pipeline.base.errors import BadMessage, DependencyError, VoxwardenError
from pipeline.base.metrics import Metrics
from pipeline.contract.cloud_events import Event, encode_event
from pipeline.contract.messages import SpeechStatus
from pipeline.contract.speech_status import statuses
from pipeline.contract.stage import BEHIND_SECONDS, RETRY_SECONDS, Rejected
from pipeline.contract.topology import DEAD_LETTERS, Stage
from pipeline.settings import Settings

R = TypeVar("R")
Addressed = tuple[str, Event]
"""A topic and the event that goes to it."""

# At most this many ticks in a row are skipped for a backlog. Held records block commits, and a worker without commits
# seems dead.
PATIENCE_TICKS = 10

EARLY_SECONDS = 0.1
"""The time between calls of `send_early`."""

# Pause before results are sent again that the broker did not take. With the time-out of the producer, it is shorter
# than STALL_SECONDS in health.py, so that a worker that waits for a broker without enough replicas stays healthy.
SEND_AGAIN_SECONDS = 2.0

EXIT_UNFINISHED = 3
EXIT_HALTED = 4  # a code of its own: a supervisor waits longer, because only a person can fix the cause

log = logging.getLogger(__name__)


def end_process(code: int) -> NoReturn:
    """End the process at once. An orderly stop would let Faust commit the batch or restart the agent."""
    logging.shutdown()
    os._exit(code)


class StageMetrics:
    """The metrics of one stage."""

    def __init__(self, metrics: Metrics, stage: str) -> None:
        # Looked up once: a look-up for each batch costs as much as decoding a message. All start at 0, because
        # Prometheus does not see the first increase of a counter that appears with a value.
        self.messages = metrics.messages.labels(stage)
        self.dead_letters = metrics.dead_letters.labels(stage)
        self.dead_letter_share = metrics.dead_letter_share.labels(stage)
        self.retries = metrics.retries.labels(stage)
        self.lag_seconds = metrics.lag_seconds.labels(stage)
        self.batch_seconds = metrics.batch_seconds.labels(stage)


class StageLoop:
    """The loop of one worker. It calls `worked` while it waits for the broker, and `end` ends the process.

    Tests replace `end`, `sleep` and `clock` (UTC seconds).
    """

    def __init__(
        self,
        app: faust.App,
        stage: Stage,
        work: Work,
        settings: Settings,
        metrics: Metrics,
        *,
        worked: Callable[[], None] = lambda: None,
        end: Callable[[int], NoReturn] = end_process,
        sleep: Callable[[float], Any] = asyncio.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.app, self.stage, self._work, self.metrics = app, stage, work, metrics
        self._channel = channel_of(app, stage.takes, settings)
        self._kinds = {topic_name(topic, settings.kafka): topic.message for topic in stage.takes if topic.message}
        # The topic for each kind of output.
        self._topics = {topic.message: topic_name(topic, settings.kafka) for topic in stage.gives}
        self._dead_letters = topic_name(DEAD_LETTERS, settings.kafka)
        self._shards = settings.kafka.room_shards
        self._limit = MAX_MESSAGE_BYTES
        self._dead_letter_limit = max_bytes(DEAD_LETTERS)
        self._share = DeadLetterShare(stage.name, settings.kafka.dead_letter_share)
        self._worked, self._end, self._sleep, self._clock = worked, end, sleep, clock
        self._thread = OneThread(stage.name, *([step_back] if stage.spares else []))
        self._one_at_a_time = asyncio.Lock()  # a tick beside a batch would acknowledge its records before they are sent
        self._batch: Sequence[Any] = ()  # for the last line of the log, if the worker gives up
        self._behind = False
        self._skipped = 0
        self._figures = StageMetrics(metrics, stage.name)

    def attach(self) -> None:
        """Register the loop with the app: one agent with concurrency 1, and a timer for `tick`."""
        self.app.agent(self._channel, name=self.stage.name, concurrency=1)(self.run)
        self.app.timer(self._work.tick_seconds)(self.tick)
        if self.stage.early:
            self.app.timer(EARLY_SECONDS)(self.send_early)

    async def run(self, stream: Any) -> None:
        """Handle records until the app stops.

        Faust subscribes to the topic because this method takes a `stream`. The records are not read from `stream`: they
        come from agents/loop/record_batches.py.
        """
        del stream
        await self.consume(batches(self.app, self.stage.batch, self.stage.wait_seconds))

    async def consume(self, batches: AsyncIterator[list[Any]]) -> None:
        """Handle one batch after the other. On an unexpected error, end the process."""
        try:
            async for records in batches:
                async with self._one_at_a_time:
                    self._batch = records
                    await self._handle(records)
                    self._batch = ()
        except asyncio.CancelledError:
            if not self.app.should_stop:  # Faust would restart the agent, past the batch in hand
                self._give_up("the agent was cancelled, but the worker is not stopping")
            raise
        except Exception as error:
            self._give_up(error)

    async def tick(self) -> None:
        """Between batches, send the results that only time completes, and acknowledge their records."""
        now = self._clock()  # before the wait: nobody has looked yet at the records that arrive meanwhile
        try:
            async with self._one_at_a_time:  # waits for the batch in hand: otherwise no tick would run under load
                # Speech that seems overdue may be in the backlog, or another worker may hear how it goes on.
                if not self._backlog_waits() and await self._may_tell():
                    await self._send(await self._in_thread(lambda: self._work.tick(now)), [])
                    self._acknowledge([])
        except Exception as error:
            self._give_up(error)

    async def send_early(self) -> None:
        """Send the finished outputs of early messages, also while the stage works on a batch."""
        try:
            if outputs := self._work.early_outputs():
                await self._send(outputs, [], patient=False)
        except DependencyError as error:
            log.info("%s does not send what it recognised early: %s", self.stage.name, error)
        except Exception as error:
            self._give_up(error)

    def early(self, messages: Sequence[Any]) -> None:
        """Give the stage messages on which it may work ahead. Any thread may call this."""
        self._work.early(messages)

    def close(self) -> None:
        """Close the stage after the app has stopped."""
        self._thread.close(self._work.close)

    async def _in_thread(self, function: Callable[[], R]) -> R:
        """Run `function` in the stage's one thread. If a dependency does not answer, try again a few times."""
        for pause in RETRY_SECONDS:
            try:
                return await self._thread.call(function)
            except DependencyError as error:
                self._figures.retries.inc()
                log.warning("%s tries again in %g s: %s", self.stage.name, pause, error)
                await self._sleep(pause)
        return await self._thread.call(function)

    async def _may_tell(self) -> bool:
        """Whether this worker still has the partitions whose records it holds."""
        return not self.stage.holds or await cast(Consumer, self.app.consumer).is_member()

    def _backlog_waits(self) -> bool:
        """Whether a backlog was seen since the last tick."""
        behind, self._behind = self._behind, False  # that full batch may have been the last one
        self._skipped = self._skipped + 1 if behind and self._skipped < PATIENCE_TICKS else 0
        return self._skipped > 0

    async def _handle(self, records: list[Any]) -> None:
        oldest = min(record.timestamp for record in records)
        self._figures.lag_seconds.set(max(0.0, self._clock() - oldest))
        batch = [receive(self._kinds[record.topic], record) for record in self._work.choose(records)]
        for received in batch:
            self._work.take(received)
        self._figures.messages.inc(len(batch))
        good = [each for each in batch if each.error is None]
        with self._figures.batch_seconds.time():
            outcome = await self._in_thread(lambda: self._work.process(good)) if good else []
        await self._send(outcome, batch)
        self._acknowledge(batch)
        # A full batch alone is no backlog: under load, young records fill each batch.
        full = len(records) >= self.stage.batch
        self._behind = self._behind or (full and self._clock() - oldest > BEHIND_SECONDS)

    async def _send(self, outcome: Sequence[Any], batch: Sequence[Received], *, patient: bool = True) -> None:
        """Send dead letters and outputs to the broker, in order, and wait until it has all of them.

        If the broker is away, `patient` tries again until it is back.
        """
        outputs = [*outcome, *statuses(self.stage, outcome)]
        made = [each for each in map(self._addressed, outputs) if each]
        rejected = [each for each in made if isinstance(each, Rejected)]
        letters = [self._letter(each) for each in batch if each.error]
        letters += [refused(self.stage, each, batch, self._dead_letter_limit) for each in rejected if each.letter]
        self._check_share(batch, rejected)
        await self._put([(self._dead_letters, letter) for letter in letters], patient)
        await self._put([each for each in made if not isinstance(each, Rejected)], patient)

    def _addressed(self, outcome: Any) -> Addressed | Rejected | None:
        """Return one output of the stage as an event with its topic. None if no topic takes this kind of output."""
        if isinstance(outcome, Rejected):
            return outcome
        topic = self._topics.get(type(outcome))
        if topic is None:
            return None
        try:
            event = encode_event(outcome, self.stage.name, self._shards)
        except BadMessage as error:
            # The utterance of a status has a letter for the same fault already.
            return Rejected(outcome, error, letter=not isinstance(outcome, SpeechStatus))
        return (topic, event) if size_of(event) <= self._limit else Rejected(outcome, self._too_large(event))

    def _check_share(self, batch: Sequence[Received], rejected: Sequence[Rejected]) -> None:
        """Raise HaltError if nothing of the batch may be sent."""
        bad = [sender_of(each.message, each.record) for each in batch if each.error]
        bad += [sender_of(each.message) for each in rejected]
        self._share.add([sender_of(each.message, each.record) for each in batch], bad)
        self._figures.dead_letter_share.set(self._share.share)
        self._figures.dead_letters.inc(len(bad))

    async def _put(self, events: Sequence[Addressed], patient: bool) -> None:
        if not events:
            return
        level = logging.WARNING
        while True:
            try:
                await self._put_once(events)
            except KafkaError as error:
                if not patient or self.app.should_stop or not _is_outage(error):
                    raise DependencyError(
                        f"Kafka did not take the results: {error}", "Check that the broker runs."
                    ) from error
                self._worked()  # a restart would not bring the broker back
                self._figures.retries.inc()
                log.log(level, "%s sends its results again until Kafka takes them: %s", self.stage.name, error)
                level = logging.INFO  # an outage is in the log once
                await self._sleep(SEND_AGAIN_SECONDS)
            else:
                return

    async def _put_once(self, events: Sequence[Addressed]) -> None:
        producer: Any = await self.app.maybe_start_producer()
        send = producer._ensure_producer().send  # Faust's own send emits signals and costs 50% more CPU
        sent = [await send(topic, each.value, each.key, headers=each.headers) for topic, each in events]
        await asyncio.gather(*sent)  # without this second await, a refused record is lost without an error

    def _acknowledge(self, batch: Sequence[Received]) -> None:
        for record in self._work.finished(batch):
            self.app.consumer.ack(record)

    def _letter(self, received: Received) -> Event:
        record = received.record
        error = received.error or BadMessage("A record without a message")
        return dead_letter(self.stage, original(record), error, address_of(record), self._dead_letter_limit)

    def _too_large(self, event: Event) -> BadMessage:
        return BadMessage(
            f"An output has {size_of(event)} bytes, but a record may have at most {self._limit}",
            "This is a bug: report it.",
        )

    def _give_up(self, reason: object) -> None:
        unforeseen = isinstance(reason, Exception) and not isinstance(reason, VoxwardenError)
        place = spans_of(self._batch) or "no record in hand"
        log.critical(
            "%s ends without acknowledging its batch (%s): %s", self.stage.name, place, reason, exc_info=unforeseen
        )
        self._end(EXIT_HALTED if isinstance(reason, HaltError) else EXIT_UNFINISHED)


def _is_outage(error: KafkaError) -> bool:
    """Whether the same records may be taken later. Otherwise the broker refuses them."""
    return isinstance(error, KafkaTimeoutError) or (error.retriable and not isinstance(error, UnknownTopicError))
