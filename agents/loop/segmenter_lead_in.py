"""What a segmenter reads before its first record of a partition: earlier audio, and utterances already sent.

A worker starts at the committed offset. This offset may lie in the middle of speech that was already cut and sent. From
there, the segmenter would cut the rest at other places, and send it again with another id. So it first hears the audio
before the offset. It also reads which utterances were sent, because it may cut one of them again with audio that came
later.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, TypeVar

from kafka import TopicPartition
from msgspec import structs

from agents.broker.kafka_clients import broker_errors, reader, topic_name
from agents.broker.kafka_records import partition_of
from pipeline.base.errors import BadMessage, DependencyError
from pipeline.contract.cloud_events import decode_event, record_key
from pipeline.contract.messages import AudioChunk, Message, Utterance
from pipeline.contract.topology import UTTERANCES
from pipeline.settings import Kafka

M = TypeVar("M", bound=Message)

POLL_MS = 500
# Allowed time between speech and its record. One half is for late audio, the other for clocks that differ.
LATE_SECONDS = 10.0
MAX_LATE_SECONDS = 600.0  # a larger lateness means that the time in the audio is wrong
# An utterance that was written more than this after the record is not read. A group may be set back by hours.
SENT_SECONDS = 120.0
PATIENCE_SECONDS = 15.0  # if no record comes for this long, the broker counts as down


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a segmenter reads before its first record of a partition."""

    chunks: Sequence[AudioChunk] = ()
    """Audio chunks before that record, in order."""
    sent: Sequence[Utterance] = ()
    """Utterances that were sent since the first of these chunks was written."""


class LeadIn:
    """Reads the last `seconds` of each speaker, and `with_sent` the utterances that were sent. For one thread."""

    def __init__(self, kafka: Kafka, seconds: float, *, with_sent: bool = True) -> None:
        self._kafka = kafka
        self._seconds = seconds
        self._with_sent = with_sent

    def __call__(self, record: Any) -> Earlier:
        """Read what comes before `record`, a message of Faust.

        Raises DependencyError if the broker does not give the records.
        """
        with broker_errors(self._kafka):
            consumer = reader(self._kafka)
            try:
                since, chunks = self._before(consumer, record)
                return Earlier(chunks, self._sent(consumer, record, since, chunks) if self._with_sent else ())
            finally:
                consumer.close()

    def _before(self, consumer: Any, record: Any) -> tuple[float, Sequence[AudioChunk]]:
        """Return the chunks before `record`, and the time from which they were read (UTC seconds)."""
        place, end = TopicPartition(record.topic, record.partition), record.offset
        consumer.assign([place])
        oldest = consumer.beginning_offsets([place])[place]
        last = next(self._read(consumer, place, max(oldest, end - 1), end), None)
        if last is None:
            return record.timestamp - LATE_SECONDS, ()
        # Count back from the last chunk, not from `record`: an outage may lie between the two.
        since = last.timestamp / 1000 - self._seconds - LATE_SECONDS
        records = list(self._from(consumer, place, since, end))
        if (late := _lateness(records)) > LATE_SECONDS / 2:  # after an outage, apps send old audio late
            since -= late
            records = list(self._from(consumer, place, since, end))
        return since, _latest(list(_messages(AudioChunk, records)), self._seconds)

    def _sent(self, consumer: Any, record: Any, since: float, chunks: Iterable[AudioChunk]) -> Sequence[Utterance]:
        """Return the utterances that were sent since `since`, without their audio."""
        topic, until = topic_name(UTTERANCES, self._kafka), 1000 * (record.timestamp + SENT_SECONDS)
        sent: list[Utterance] = []
        for number in self._utterance_partitions(record, chunks, consumer.partitions_for_topic(topic) or ()):
            place = TopicPartition(topic, number)
            consumer.assign([place])
            end = consumer.end_offsets([place])[place]
            records = takewhile(lambda each: each.timestamp <= until, self._from(consumer, place, since, end))
            # Nobody needs their audio here, and it could fill the memory.
            sent += [structs.replace(each, data=b"") for each in _messages(Utterance, records)]
        return sent

    def _utterance_partitions(
        self, record: Any, chunks: Iterable[AudioChunk], numbers: Collection[int]
    ) -> Sequence[int]:
        """Return which of the partitions `numbers` have the utterances of these speakers.

        Audio and utterances have the same key, so they lie on partitions with the same number. But audio has another
        key if its app knows no shards, or if it was written before `kafka.room_shards` changed.
        """
        found = {record.partition} & set(numbers)  # topics get additional partitions one after the other
        keys = {record_key(chunk, self._kafka.room_shards) for chunk in chunks}
        return sorted(found | {partition_of(key, numbers) for key in keys if numbers})

    def _from(self, consumer: Any, place: TopicPartition, since: float, end: int) -> Iterator[Any]:
        """Yield the records before offset `end` that were written at or after `since` (UTC seconds)."""
        found = consumer.offsets_for_times({place: max(0, round(since * 1000))})[place]
        yield from self._read(consumer, place, found.offset if found else end, end)

    def _read(self, consumer: Any, place: TopicPartition, first: int, end: int) -> Iterator[Any]:
        """Yield the records with offsets from `first` on, and below `end`."""
        if first >= end:
            return
        consumer.seek(place, first)
        answered = time.monotonic()
        while consumer.position(place) < end:
            records = consumer.poll(POLL_MS).get(place, [])
            yield from (record for record in records if record.offset < end)
            answered = time.monotonic() if records else answered
            if time.monotonic() > answered + PATIENCE_SECONDS:
                raise DependencyError(
                    f"Kafka at {self._kafka.bootstrap} gives no records of {place.topic}/{place.partition}",
                    "Check that the partition has a leader.",
                )


def _latest(chunks: Sequence[AudioChunk], seconds: float) -> list[AudioChunk]:
    """Keep each speaker's last `seconds`, in the time of the audio."""
    last = {(chunk.room, chunk.speaker): chunk.start for chunk in chunks}
    return [chunk for chunk in chunks if chunk.start >= last[chunk.room, chunk.speaker] - seconds]


def _lateness(records: Sequence[Any]) -> float:
    """Return the longest time between speech and its record, in seconds."""
    found = (each.timestamp / 1000 - chunk.start for each in records for chunk in _messages(AudioChunk, [each]))
    return min(max(found, default=0.0), MAX_LATE_SECONDS)


def _messages(kind: type[M], records: Iterable[Any]) -> Iterator[M]:
    for record in records:
        with suppress(BadMessage):  # this record is already a dead letter
            yield decode_event(kind, record.value, record.headers)
