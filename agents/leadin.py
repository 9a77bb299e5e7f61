"""What a partition's speakers said just before the first record that a worker is given.

A worker starts at the committed offset, which may lie in the middle of speech that was cut and sent before. Read from
there, the rest of it would be cut anew, at other places, and be told a second time under another id. So the segmenter
hears first what came before.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from kafka import TopicPartition

from agents.kafka import broker_errors, reader
from pipeline.errors import BadMessage, DependencyError
from pipeline.events import decode
from pipeline.messages import AudioChunk
from pipeline.settings import Audio, Kafka

POLL_MS = 500
LATE_SECONDS = 10.0
"""A gateway that had to wait for the broker writes audio so much later than it was spoken."""
PATIENCE_SECONDS = 15.0
"""Without a record for so long, the broker is taken for dead."""


def lead_seconds(audio: Audio) -> float:
    """How far back speech in progress reaches, if it was cut for length at most once; and the pause before it."""
    return audio.max_seconds + audio.soft_seconds + audio.hangover_seconds


class LeadIn:
    """Reads the last `seconds` of each speaker. For use by one thread."""

    def __init__(self, kafka: Kafka, seconds: float) -> None:
        self._kafka = kafka
        self._seconds = seconds

    def __call__(self, record: Any) -> list[AudioChunk]:
        """The chunks before `record`, a message of Faust; raises DependencyError if the broker does not give them."""
        place = TopicPartition(record.topic, record.partition)
        with broker_errors(self._kafka):
            consumer = reader(self._kafka)
            try:
                consumer.assign([place])
                read = self._read(consumer, place, self._first(consumer, place, record.offset), record.offset)
                return _latest([chunk for each in read if (chunk := _chunk(each))], self._seconds)
            finally:
                consumer.close()

    def _first(self, consumer: Any, place: TopicPartition, end: int) -> int:
        """Where to begin, counted back from the last record before offset `end`: an outage may lie between the two."""
        oldest = consumer.beginning_offsets([place])[place]
        last = next(self._read(consumer, place, max(oldest, end - 1), end), None)
        if last is None:
            return end
        since = max(0, round(last.timestamp - (self._seconds + LATE_SECONDS) * 1000))
        found = consumer.offsets_for_times({place: since})[place]
        return int(found.offset) if found else end

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


def _latest(chunks: Sequence[AudioChunk], seconds: float) -> list[AudioChunk]:
    """Each speaker's last `seconds`, in the time of the audio."""
    last = {(chunk.room, chunk.speaker): chunk.start for chunk in chunks}
    return [chunk for chunk in chunks if chunk.start >= last[chunk.room, chunk.speaker] - seconds]


def _chunk(record: Any) -> AudioChunk | None:
    try:
        return decode(AudioChunk, record.value, record.headers)
    except BadMessage:
        return None  # the dead letters have it
