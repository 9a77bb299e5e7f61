"""Gives early utterances to the stage of a worker, so that it can work ahead.

A thread reads the topic beside the worker's loop, from its end and without a group. It reads the partitions whose
numbers the worker has of its own topics. Nothing waits for it: a record that is missed, late or unreadable means only
that the utterance is handled when it comes.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Event, Thread
from typing import Any

import faust
from kafka import TopicPartition

from agents.broker.kafka_clients import broker_errors, reader, topic_name
from agents.broker.kafka_records import receive
from agents.loop.faust_app import follow_assignment
from agents.loop.stage_loop import StageLoop
from pipeline.base.errors import VoxwardenError
from pipeline.contract.messages import Message
from pipeline.contract.topology import Topic
from pipeline.settings import Kafka, Settings

POLL_MS = 100
STALE_SECONDS = 1.0  # an older record is left out: its pause is over
PAUSE_SECONDS = 5.0  # the pause after an error of the broker, before a new consumer is made

log = logging.getLogger(__name__)


class EarlyReader:
    """Reads the new records of `topic`, and calls `give` with their messages.

    Any thread may call `assign`, and one thread `look`. `clock` returns UTC seconds.
    """

    def __init__(
        self,
        topic: Topic,
        kafka: Kafka,
        give: Callable[[Sequence[Message]], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        if topic.message is None:
            raise TypeError(f"The topic {topic.name} has no message")
        self._kind = topic.message
        self._name = topic_name(topic, kafka)
        self._kafka = kafka
        self._give = give
        self._clock = clock
        self._numbers: frozenset[int] = frozenset()
        self._read: frozenset[int] = frozenset()  # the partitions that the consumer reads
        self._consumer: Any = None
        self._over = Event()

    def follow(self, app: faust.App) -> None:
        """Learn from `app` which partitions the worker has."""
        follow_assignment(app, lambda found: self.assign(number for _, number in found or ()))

    def assign(self, numbers: Iterable[int]) -> None:
        """Read the partitions with these numbers, each from its end."""
        self._numbers = frozenset(numbers)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read in a thread while the block runs."""
        thread = Thread(target=self._run, name="early", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def look(self) -> None:
        """Wait a moment for records, and give their messages. Raises VoxwardenError if the broker does not answer."""
        if self._numbers != self._read:
            self._seek(self._numbers)
        if not self._read:
            self._over.wait(POLL_MS / 1000)  # the worker has no partitions, and perhaps there is no consumer yet
            return
        with broker_errors(self._kafka):
            found = self._consumer.poll(POLL_MS)
        oldest = 1000 * (self._clock() - STALE_SECONDS)
        messages = list(self._messages(each for part in found.values() for each in part if each.timestamp >= oldest))
        if messages:
            self._give(messages)

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
        self._consumer, self._read = None, frozenset()

    def _seek(self, numbers: frozenset[int]) -> None:
        with broker_errors(self._kafka):
            if self._consumer is None:
                self._consumer = reader(self._kafka)
            known = self._consumer.partitions_for_topic(self._name) or ()  # it may have fewer than the worker's topics
            places = [TopicPartition(self._name, number) for number in sorted(numbers.intersection(known))]
            ends = self._consumer.end_offsets(places) if places else {}
            self._consumer.assign(places)
            for place, end in ends.items():
                self._consumer.seek(place, end)  # the pauses of older records are over
        self._read = numbers

    def _messages(self, records: Iterable[Any]) -> Iterator[Message]:
        # Segment alone writes this topic: a foreign record is of no use.
        return (found for record in records if (found := receive(self._kind, record).message))

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self.look()
            except VoxwardenError as error:
                log.info("%s is not read: %s", self._name, error)
                self.close()  # a consumer that failed may never notice that its brokers are back
                self._over.wait(PAUSE_SECONDS)
        self.close()


def working_ahead(loop: StageLoop, settings: Settings) -> AbstractContextManager[None]:
    """Let the stage of `loop` work ahead while the block runs, if it can."""
    if loop.stage.early is None:
        return nullcontext()
    found = EarlyReader(loop.stage.early, settings.kafka, loop.early)
    found.follow(loop.app)
    return found.reading()
