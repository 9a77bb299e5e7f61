"""The loop that takes batches from topic to topic and loses nothing, whatever the stage.

Decode; run the stage in a thread; send the outcome and wait for the broker; only then acknowledge, in order. On
anything unexpected the process ends with the batch un-acknowledged: a supervisor starts it again, and Kafka hands the
work out again. Faust's own ways (automatic acks, restarting an agent, sinks) were each seen to lose messages.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NoReturn, TypeVar

import faust

from agents.app import channel_of
from agents.halt import DeadLetterShare, HaltError
from agents.intake import batches
from agents.kafka import max_bytes, topic_name
from agents.one_thread import OneThread
from agents.records import Received, address_of, dead_letter, original, receive, refused, sender_of, size_of, spans_of
from agents.work import Work
from pipeline.errors import BadMessage, DependencyError, VoxwardenError
from pipeline.events import Event, encode
from pipeline.metrics import Metrics
from pipeline.settings import Settings
from pipeline.stage import BEHIND_SECONDS, Rejected
from pipeline.topology import DEAD_LETTERS, Stage

R = TypeVar("R")
Addressed = tuple[str, Event]
"""An event, and the topic that it goes to."""

BACK_OFF_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Between tries of a dependency; in sum well under the rebalance time-out, which a batch must not outlast."""

PATIENCE_TICKS = 10
"""So many in a row wait for a backlog. What is held blocks commits, and who commits nothing is taken for dead."""

EXIT_UNFINISHED = 3
EXIT_HALTED = 4

log = logging.getLogger(__name__)


def end_process(code: int) -> NoReturn:
    """At once: an orderly stop would let Faust commit or restart what must be handed out again."""
    logging.shutdown()
    os._exit(code)


class Figures:
    """The metrics of one stage, looked up once: for each batch it would cost as much as to decode a message.

    They are there from 0 on, since Prometheus takes the first value that it sees for no change.
    """

    def __init__(self, metrics: Metrics, stage: str) -> None:
        self.messages = metrics.messages.labels(stage)
        self.dead_letters = metrics.dead_letters.labels(stage)
        self.dead_letter_share = metrics.dead_letter_share.labels(stage)
        self.retries = metrics.retries.labels(stage)
        self.lag_seconds = metrics.lag_seconds.labels(stage)
        self.batch_seconds = metrics.batch_seconds.labels(stage)


class StageLoop:
    """The loop of one worker. `end` is what ends the process; it, `sleep` and `clock` (UTC seconds) are for tests."""

    def __init__(
        self,
        app: faust.App,
        stage: Stage,
        work: Work[Any],
        settings: Settings,
        metrics: Metrics,
        *,
        end: Callable[[int], NoReturn] = end_process,
        sleep: Callable[[float], Any] = asyncio.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.app, self.stage, self._work, self.metrics = app, stage, work, metrics
        self._channel = channel_of(app, stage.takes, settings)
        self._kinds = {topic_name(topic, settings.kafka): topic.message for topic in stage.takes if topic.message}
        self._topics = {topic.message: topic_name(topic, settings.kafka) for topic in stage.gives}
        """Where an output goes, by its kind."""
        self._batching = settings.batching(stage)
        self._dead_letters = topic_name(DEAD_LETTERS, settings.kafka)
        self._limit = settings.kafka.max_message_bytes
        self._dead_letter_limit = max_bytes(DEAD_LETTERS, settings.kafka)
        self._share = DeadLetterShare(stage.name, settings.kafka.dead_letter_share)
        self._end, self._sleep, self._clock = end, sleep, clock
        self._thread = OneThread(stage.name)
        self._one_at_a_time = asyncio.Lock()
        self._in_hand: Sequence[Any] = ()
        self._behind = False
        self._skipped = 0
        self._figures = Figures(metrics, stage.name)

    def attach(self) -> None:
        """Make the app run this: one agent, never with more concurrency, and a timer."""
        self.app.agent(self._channel, name=self.stage.name, concurrency=1)(self.run)
        self.app.timer(self._work.tick_seconds)(self.tick)

    async def run(self, stream: Any) -> None:
        """Handle records until the app stops. The stream makes Faust subscribe; see agents/intake.py."""
        del stream
        await self.consume(batches(self.app, self._batching.batch, self._batching.wait_seconds))

    async def consume(self, batches: AsyncIterator[list[Any]]) -> None:
        """Handle one batch after the other. Ends the process on anything that it does not expect."""
        try:
            async for records in batches:
                async with self._one_at_a_time:
                    self._in_hand = records
                    await self._handle(records)
                    self._in_hand = ()
        except asyncio.CancelledError:
            if not self.app.should_stop:
                self._give_up("it was cancelled though the worker is not stopping")
            raise
        except Exception as error:
            self._give_up(error)

    async def tick(self) -> None:
        """Between batches: send what is due because time has passed, acknowledge what that finishes.

        Not while a backlog waits: what seems overdue may be among it. Records that come in fast are no backlog, and a
        batch in hand is waited for: else time would stand still under load. It is the time of the call that counts,
        since what came in while we waited has not been looked at.
        """
        now = self._clock()
        try:
            async with self._one_at_a_time:
                if not self._backlog_waits():
                    await self._send(await self._in_thread(lambda: self._work.tick(now)), [])
                    self._acknowledge([])
        except Exception as error:
            self._give_up(error)

    def close(self) -> None:
        """After the app has stopped."""
        self._thread.close(self._work.close)

    async def _in_thread(self, function: Callable[[], R]) -> R:
        """Run in the stage's one thread; a dependency that does not answer is tried again, for a while."""
        for pause in BACK_OFF_SECONDS:
            try:
                return await self._thread.call(function)
            except DependencyError as error:
                self._figures.retries.inc()
                log.warning("%s tries again in %g s: %s", self.stage.name, pause, error)
                await self._sleep(pause)
        return await self._thread.call(function)

    def _backlog_waits(self) -> bool:
        """Whether one was seen since the last tick. No longer: that full batch may have been the last of all."""
        behind, self._behind = self._behind, False
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
        full = len(records) >= self._batching.batch
        self._behind = self._behind or (full and self._clock() - oldest > BEHIND_SECONDS)

    async def _send(self, outcome: Sequence[Any], batch: Sequence[Received]) -> None:
        """Everything to the broker, in order, and wait until it has it all."""
        made = [each for each in map(self._made, outcome) if each]
        rejected = [each for each in made if isinstance(each, Rejected)]
        letters = [self._bad(each) for each in batch if each.error]
        letters += [refused(self.stage, each, batch, self._dead_letter_limit) for each in rejected if each.letter]
        self._judge_share(batch, rejected)
        await self._put([(self._dead_letters, letter) for letter in letters])
        await self._put([each for each in made if not isinstance(each, Rejected)])

    def _made(self, outcome: Any) -> Addressed | Rejected | None:
        """The event of one output of the stage and its topic; None if no topic takes it."""
        if isinstance(outcome, Rejected):
            return outcome
        topic = self._topics.get(type(outcome))
        if topic is None:
            return None
        try:
            event = encode(outcome, self.stage.name)
        except BadMessage as error:
            return Rejected(outcome, error)
        return (topic, event) if size_of(event) <= self._limit else Rejected(outcome, self._too_large(event))

    def _judge_share(self, batch: Sequence[Received], rejected: Sequence[Rejected]) -> None:
        """Raises HaltError where nothing of the batch may be sent."""
        bad = [sender_of(each.message, each.record) for each in batch if each.error]
        bad += [sender_of(each.message) for each in rejected]
        self._share.add([sender_of(each.message, each.record) for each in batch], bad)
        self._figures.dead_letter_share.set(self._share.share)
        self._figures.dead_letters.inc(len(bad))

    async def _put(self, events: Sequence[Addressed]) -> None:
        if not events:
            return
        producer: Any = await self.app.maybe_start_producer()
        send = producer._ensure_producer().send  # Faust's own send tells its signals, and costs half as much again
        sent = [await send(topic, each.value, each.key, headers=each.headers) for topic, each in events]
        await asyncio.gather(*sent)  # the second await: without it a refused record is lost in silence

    def _acknowledge(self, batch: Sequence[Received]) -> None:
        for record in self._work.finished(batch):
            self.app.consumer.ack(record)

    def _bad(self, received: Received) -> Event:
        record = received.record
        error = received.error or BadMessage("A record without a message")
        return dead_letter(self.stage, original(record), error, address_of(record), self._dead_letter_limit)

    def _too_large(self, event: Event) -> BadMessage:
        return BadMessage(
            f"An outcome of {size_of(event)} bytes where a record may have {self._limit}",
            "Raise kafka.max_message_bytes, and the topics' max.message.bytes with it.",
        )

    def _give_up(self, reason: object) -> None:
        unforeseen = isinstance(reason, Exception) and not isinstance(reason, VoxwardenError)
        place = spans_of(self._in_hand) or "none in hand"
        log.critical(
            "%s ends with its batch un-acknowledged (%s): %s", self.stage.name, place, reason, exc_info=unforeseen
        )
        self._end(EXIT_HALTED if isinstance(reason, HaltError) else EXIT_UNFINISHED)
