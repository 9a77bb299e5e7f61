"""Send audio files to `voice.audio`, as an app would."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from agents.broker.kafka_clients import broker_errors, discard, producer, topic_name
from pipeline.contract.cloud_events import encode_event
from pipeline.contract.messages import AudioChunk
from pipeline.contract.topology import AUDIO
from pipeline.settings import Kafka

# Chunks that the broker may not have confirmed yet. At this number, reading of the file pauses.
IN_FLIGHT = 256

CONFIRM_SECONDS = 60  # the client's own limit for a delivery


class Ingest:
    """Sends chunks to Kafka: `with Ingest(kafka) as ingest: ingest.send(chunks)`.

    The end of the block waits until the broker has confirmed every chunk. Raises DependencyError if it does not.
    """

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._topic = topic_name(AUDIO, kafka)
        self._unconfirmed: deque[Any] = deque()

    def __enter__(self) -> "Ingest":
        self._producer = producer(self._kafka)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._confirm(0)
        finally:
            discard(self._producer)  # either all is sent, or an error makes further waiting pointless

    def send(self, chunks: Iterable[AudioChunk]) -> Iterator[AudioChunk]:
        """Send each chunk and yield it. Raises DependencyError as soon as the broker refuses one."""
        for chunk in chunks:
            event = encode_event(chunk, "ingest", self._kafka.room_shards)
            with broker_errors(self._kafka):
                sent = self._producer.send(self._topic, key=event.key, value=event.value, headers=event.headers)
            self._unconfirmed.append(sent)
            self._confirm(IN_FLIGHT)
            yield chunk
        self._confirm(0)

    def _confirm(self, allowed: int) -> None:
        """Wait until at most the newest `allowed` chunks are unconfirmed."""
        with broker_errors(self._kafka):
            while len(self._unconfirmed) > allowed:
                self._unconfirmed.popleft().get(CONFIRM_SECONDS)


def paced(
    chunks: Iterable[AudioChunk],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Any] = time.sleep,
) -> Iterator[AudioChunk]:
    """Yield the chunks in real time: each one when its audio would begin, counted from the first chunk."""
    began: float | None = None
    first = 0.0
    for chunk in chunks:
        if began is None:
            began, first = clock(), chunk.start
        if (wait := chunk.start - first - (clock() - began)) > 0:
            sleep(wait)
        yield chunk
