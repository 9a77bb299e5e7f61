"""What a partition's speakers said just before the first record that a worker is given.

A worker starts at the committed offset, which may lie in the middle of speech that was cut and sent before. Read from
there, the rest of it would be cut anew, at other places, and be told a second time under another id. So the segmenter
hears first what came before.
"""

import time
from collections.abc import Iterator
from typing import Any

from kafka import TopicPartition

from agents.kafka import broker_errors, reader
from pipeline.errors import BadMessage, DependencyError
from pipeline.events import decode
from pipeline.messages import AudioChunk
from pipeline.settings import Audio, Kafka

POLL_MS = 500
PATIENCE_SECONDS = 15.0
"""Without a record for so long, the broker is taken for dead."""


def lead_seconds(audio: Audio) -> float:
    """How far back the longest speech reaches that can be in progress, its pads and the pause after it included."""
    return audio.max_seconds + audio.hangover_seconds + 2 * audio.pad_seconds


class LeadIn:
    """Reads `seconds` of the log, by the broker's clock. For use by one thread."""

    def __init__(self, kafka: Kafka, seconds: float) -> None:
        self._kafka = kafka
        self._seconds = seconds

    def __call__(self, record: Any) -> list[AudioChunk]:
        """The chunks before `record`, a message of Faust; raises DependencyError if the broker does not give them."""
        place = TopicPartition(record.topic, record.partition)
        since = max(0, round((record.timestamp - self._seconds) * 1000))
        with broker_errors(self._kafka):
            consumer = reader(self._kafka)
            try:
                consumer.assign([place])
                found = consumer.offsets_for_times({place: since})[place]
                first = found.offset if found else record.offset
                return [chunk for each in self._read(consumer, place, first, record.offset) if (chunk := _chunk(each))]
            finally:
                consumer.close()

    def _read(self, consumer: Any, place: TopicPartition, first: int, end: int) -> Iterator[Any]:
        """The records from offset `first` up to `end`."""
        if first >= end:
            return
        consumer.seek(place, first)
        heard = time.monotonic()
        while consumer.position(place) < end:
            records = consumer.poll(POLL_MS).get(place, [])
            yield from (record for record in records if record.offset < end)
            heard = time.monotonic() if records else heard
            if time.monotonic() > heard + PATIENCE_SECONDS:
                raise DependencyError(
                    f"Kafka at {self._kafka.bootstrap} does not give records of {place.topic}/{place.partition}",
                    "Check that the partition has a leader.",
                )


def _chunk(record: Any) -> AudioChunk | None:
    try:
        return decode(AudioChunk, record.value, record.headers)
    except BadMessage:
        return None  # the dead letters have it
