"""Audio files into `voice.audio`, as an app would send them."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from agents.kafka import broker_errors, discard, producer, topic_name
from pipeline.events import encode
from pipeline.messages import AudioChunk
from pipeline.settings import Kafka
from pipeline.topology import AUDIO

IN_FLIGHT = 256
"""Chunks that may wait for the broker before the file waits, too."""

CONFIRM_SECONDS = 60


class Ingest:
    """`with Ingest(kafka) as ingest: ingest.send(chunks)`; leaving the block waits for the broker to have it all."""

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
            discard(self._producer)  # nothing is left to send, or nobody to send it to

    def send(self, chunks: Iterable[AudioChunk]) -> Iterator[AudioChunk]:
        """Send each chunk and give it back; raises DependencyError as soon as the broker refuses one."""
        for chunk in chunks:
            event = encode(chunk, "ingest")
            with broker_errors(self._kafka):
                sent = self._producer.send(self._topic, key=event.key, value=event.value, headers=event.headers)
            self._unconfirmed.append(sent)
            self._confirm(IN_FLIGHT)
            yield chunk
        self._confirm(0)

    def _confirm(self, allowed: int) -> None:
        """Wait until the broker has all but the newest `allowed` chunks."""
        with broker_errors(self._kafka):
            while len(self._unconfirmed) > allowed:
                self._unconfirmed.popleft().get(CONFIRM_SECONDS)


def paced(
    chunks: Iterable[AudioChunk],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Any] = time.sleep,
) -> Iterator[AudioChunk]:
    """As if live: each chunk when its audio would have begun, counted from the first one."""
    began: float | None = None
    first = 0.0
    for chunk in chunks:
        if began is None:
            began, first = clock(), chunk.start
        if (wait := chunk.start - first - (clock() - began)) > 0:
            sleep(wait)
        yield chunk
