"""What a partition's speakers said just before the first record that a worker is given, and what was told since.

A worker starts at the committed offset, which may lie in the middle of speech that was cut and sent before. Read from
there, the rest of it would be cut anew, at other places, and be told a second time under another id. So the segmenter
hears first what came before. And it learns which utterances were sent meanwhile: it may cut one of them again, with
audio that has come since.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, TypeVar

from kafka import TopicPartition
from msgspec import structs

from agents.kafka import broker_errors, reader, topic_name
from pipeline.errors import BadMessage, DependencyError
from pipeline.events import decode
from pipeline.messages import AudioChunk, Message, Utterance
from pipeline.settings import Audio, Kafka
from pipeline.topology import UTTERANCES

M = TypeVar("M", bound=Message)

POLL_MS = 500
LATE_SECONDS = 10.0
"""Audio is usually written less than half of it after it was spoken, and clocks differ by less than the other half."""
MAX_LATE_SECONDS = 600.0
"""Audio that seems to be older has a wrong time."""
TOLD_SECONDS = 120.0
"""Utterances that were sent so long after the record are not read: a group may be set back by hours."""
PATIENCE_SECONDS = 15.0
"""Without a record for so long, the broker is taken for dead."""


def lead_seconds(audio: Audio) -> float:
    """How far back speech in progress reaches, if it was cut for length at most once; and the pause before it."""
    return audio.max_seconds + audio.soft_seconds + audio.hangover_seconds


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a segmenter learns before its first record of a partition."""

    chunks: Sequence[AudioChunk] = ()
    """Before that record."""
    told: Sequence[Utterance] = ()
    """Utterances that were sent since the first of these was there."""


class LeadIn:
    """Reads the last `seconds` of each speaker. For use by one thread."""

    def __init__(self, kafka: Kafka, seconds: float) -> None:
        self._kafka = kafka
        self._seconds = seconds

    def __call__(self, record: Any) -> Earlier:
        """`record` is a message of Faust; raises DependencyError if the broker does not give what belongs to it."""
        with broker_errors(self._kafka):
            consumer = reader(self._kafka)
            try:
                since, chunks = self._before(consumer, record)
                return Earlier(chunks, self._told(consumer, record, since))
            finally:
                consumer.close()

    def _before(self, consumer: Any, record: Any) -> tuple[float, Sequence[AudioChunk]]:
        """The chunks before `record`, and since when they were written.

        The time is counted back from the last of them, since an outage may lie between that one and `record`.
        """
        place, end = TopicPartition(record.topic, record.partition), record.offset
        consumer.assign([place])
        oldest = consumer.beginning_offsets([place])[place]
        last = next(self._read(consumer, place, max(oldest, end - 1), end), None)
        if last is None:
            return record.timestamp - LATE_SECONDS, ()
        since = last.timestamp / 1000 - self._seconds - LATE_SECONDS
        records = list(self._from(consumer, place, since, end))
        if (late := _lateness(records)) > LATE_SECONDS / 2:
            since -= late
            records = list(self._from(consumer, place, since, end))
        return since, _latest(list(_messages(AudioChunk, records)), self._seconds)

    def _told(self, consumer: Any, record: Any, since: float) -> Sequence[Utterance]:
        """Utterances lie on the partition with the number of their audio's, since both have the room as their key."""
        place = TopicPartition(topic_name(UTTERANCES, self._kafka), record.partition)
        if place.partition not in (consumer.partitions_for_topic(place.topic) or ()):
            return ()  # topics get more partitions one after the other
        consumer.assign([place])
        end = consumer.end_offsets([place])[place]
        until = 1000 * (record.timestamp + TOLD_SECONDS)
        records = takewhile(lambda each: each.timestamp <= until, self._from(consumer, place, since, end))
        return [structs.replace(each, data=b"") for each in _messages(Utterance, records)]

    def _from(self, consumer: Any, place: TopicPartition, since: float, end: int) -> Iterator[Any]:
        """The records before offset `end` that were written from `since` (UTC seconds) on."""
        found = consumer.offsets_for_times({place: max(0, round(since * 1000))})[place]
        yield from self._read(consumer, place, found.offset if found else end, end)

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


def _lateness(records: Sequence[Any]) -> float:
    """The most seconds between speech and its record. Apps send late, after an outage, what they could not send."""
    found = (each.timestamp / 1000 - chunk.start for each in records for chunk in _messages(AudioChunk, [each]))
    return min(max(found, default=0.0), MAX_LATE_SECONDS)


def _messages(kind: type[M], records: Iterable[Any]) -> Iterator[M]:
    for record in records:
        with suppress(BadMessage):  # the dead letters have it
            yield decode(kind, record.value, record.headers)
