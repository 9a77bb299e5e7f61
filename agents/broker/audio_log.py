"""Read audio back from Kafka: an utterance or a sound by its address, and the speaker's earlier utterances."""

import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import msgspec
from kafka import TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from agents.broker import kafka_topics
from agents.broker.kafka_clients import broker_errors, reader, topic_name
from agents.broker.kafka_records import address_of, partition_of
from pipeline.base.errors import BadMessage
from pipeline.base.metrics import Metrics
from pipeline.contract.cloud_events import decode_event, keys_of
from pipeline.contract.messages import EarlyUtterance, Sound, Utterance, utterance_of
from pipeline.contract.topology import EARLY, SOUNDS, UTTERANCES
from pipeline.review.evidence.lookback import UtteranceLog
from pipeline.settings import Kafka, Settings

M = TypeVar("M", bound=Utterance | EarlyUtterance | Sound)

POLL_MS = 500
ANSWER_SECONDS = 10.0  # if the broker gives nothing for this long, the reader drops the connection and opens a new one
CLOSE_MS = 1_000
# How many records back to look for a speaker's earlier utterances. A partition holds utterances of other rooms in
# between.
SEARCH_RECORDS = 500
SLACK_SECONDS = 60.0  # an utterance is written when it ends, up to 15 s after its start, and later when segment lags
# Limit for the values of cached records, all partitions together. Flags come in the order of the log, so that
# neighbouring flags need the same records.
CACHE_BYTES = 64_000_000


class KafkaLog(UtteranceLog):
    """Reads single records of `voice.utterances` and `voice.sounds` by their address. Use it in one thread only.

    An old record may be missing, because the broker deletes records after their retention time.

    After an error, the next call makes a new consumer, because the old one may never notice that the brokers are back.
    """

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._topic = topic_name(UTTERANCES, kafka)
        self._sounds = topic_name(SOUNDS, kafka)
        self._early = topic_name(EARLY, kafka)
        self._reader: Any = None
        # The position from which the reader continues without a seek.
        self._position: tuple[TopicPartition, int] | None = None
        # Consecutive cached records of each partition. The partition that was read last comes last.
        self._cache: OrderedDict[TopicPartition, deque[Any]] = OrderedDict()

    def get(self, address: str) -> Utterance | None:
        if early := _decoded(self._at(address, self._early), EarlyUtterance):
            return utterance_of(early)
        return _decoded(self._at(address, self._topic), Utterance)

    def sound(self, address: str) -> Sound | None:
        return _decoded(self._at(address, self._sounds), Sound)

    def before(self, room: str, speaker: str, start: float, seconds: float, address: str) -> list[Utterance]:
        place = _place(address, self._topic)
        if place is None:
            return []
        partition, offset = place
        with self._asking():
            first = self._search_from(partition, offset, seconds)
            utterances = [_decoded(record, Utterance) for record in self._range(partition, first, offset)]
        found = [u for u in utterances if u and (u.room, u.speaker) == (room, speaker)]
        return sorted((u for u in found if u.start < start and u.end > start - seconds), key=lambda u: u.start)

    def latest(self, room: str, speaker: str | None, end: float, seconds: float) -> Iterator[list[Utterance]]:
        keys = set(keys_of(room, self._kafka.room_shards))
        with self._asking():
            for records in self._written(keys, end - seconds, end):
                # Drop the records of other rooms at once: a partition can hold hours of them.
                utterances = [_decoded(record, Utterance) for record in records if record.key in keys]
                yield [
                    u
                    for u in utterances
                    if u and u.room == room and speaker in {None, u.speaker} and u.start < end and u.end > end - seconds
                ]

    def close(self) -> None:
        self._discard()
        self._cache.clear()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            with broker_errors(self._kafka):
                yield
        except Exception:
            self._discard()
            raise

    def _discard(self) -> None:
        old, self._reader, self._position = self._reader, None, None
        if old:
            with suppress(KafkaError):  # the connection that failed is given up anyway
                old.close(autocommit=False, timeout_ms=CLOSE_MS)

    def _consumer(self) -> Any:
        if not self._reader:
            self._reader = reader(self._kafka, ANSWER_SECONDS)
        return self._reader

    def _at(self, address: str, topic: str) -> Any | None:
        """Return the record at an address. None if it is gone, or if the address is not of this topic."""
        place = _place(address, topic)
        if place is None:
            return None
        with self._asking():
            return self._record(*place)

    def _record(self, partition: TopicPartition, offset: int) -> Any | None:
        return next(iter(self._range(partition, offset, offset + 1)), None)

    def _range(self, partition: TopicPartition, first: int, end: int) -> list[Any]:
        """Return the records with offsets from `first` on, and below `end`. Cached records are not read again."""
        cached = self._cache.pop(partition, deque())
        if not (cached and cached[0].offset <= first <= cached[-1].offset + SEARCH_RECORDS):
            cached = deque()  # to read all records up to `first` would cost more than it saves
        unread = cached[-1].offset + 1 if cached else first
        if unread < end:
            cached.extend(record for part in self._parts(partition, unread, end) for record in part)
        found = [record for record in cached if first <= record.offset < end]
        self._store(partition, cached)
        return found

    def _store(self, partition: TopicPartition, records: deque[Any]) -> None:
        while len(records) > SEARCH_RECORDS:
            records.popleft()
        self._cache[partition] = records
        room = CACHE_BYTES - sum(_size(record) for cached in self._cache.values() for record in cached)
        while room < 0:
            oldest = next(iter(self._cache))
            room += sum(_size(record) for record in self._cache.pop(oldest))

    def _parts(self, partition: TopicPartition, first: int, end: int) -> Iterator[list[Any]]:
        """Yield the records with offsets from `first` on, and below `end`. Expired ones are missing.

        Each list is one answer of the broker.
        """
        position = max(first, self._consumer().beginning_offsets([partition])[partition])
        end = min(end, self._consumer().end_offsets([partition])[partition])
        while position < end:
            records, position = self._read(partition, position)
            yield [record for record in records if record.offset < end]

    def _read(self, partition: TopicPartition, position: int) -> tuple[list[Any], int]:
        """Return the records at `position` and the next position. Seeks only if the reader stands elsewhere."""
        consumer = self._consumer()
        if self._position != (partition, position):
            consumer.assign([partition])
            consumer.seek(partition, position)
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            records = consumer.poll(POLL_MS).get(partition, [])
            reached = consumer.position(partition, timeout_ms=POLL_MS)
            if reached not in {None, position}:  # it moves without a record, too: transactions leave gaps
                self._position = partition, reached
                return records, reached
        raise KafkaTimeoutError(f"no records from {partition.topic}/{partition.partition}")

    def _written(self, keys: Iterable[bytes], begin: float, end: float) -> Iterator[list[Any]]:
        """Yield the records of the partitions of `keys` that may hold speech from `begin` to `end` (UTC seconds).

        A record is written when its utterance ended, or later when segment lags.
        """
        for partition in self._partitions_of(keys):
            first, past = self._offset_at(partition, begin), self._offset_at(partition, end + SLACK_SECONDS)
            yield from self._parts(partition, first, past)

    def _partitions_of(self, keys: Iterable[bytes]) -> list[TopicPartition]:
        """Return the partitions to which segment writes the utterances with `keys`."""
        # This call has a time limit. partitions_for_topic has none, unless the client already knows the topic.
        self._consumer().beginning_offsets([TopicPartition(self._topic, 0)])
        numbers = self._consumer().partitions_for_topic(self._topic)
        return [TopicPartition(self._topic, number) for number in sorted({partition_of(key, numbers) for key in keys})]

    def _offset_at(self, partition: TopicPartition, moment: float) -> int:
        """Return the first offset written at or after `moment` (UTC seconds), or the end of the partition."""
        consumer = self._consumer()
        found = consumer.offsets_for_times({partition: max(0, round(moment * 1000))})[partition]
        return int(found.offset if found else consumer.end_offsets([partition])[partition])

    def _search_from(self, partition: TopicPartition, offset: int, seconds: float) -> int:
        """Return the offset from which to search for `seconds` of earlier speech."""
        # Kafka cannot be read backwards. So the start is found by the timestamps of the records.
        nearest = max(0, offset - SEARCH_RECORDS)
        written = self._record(partition, offset)
        if written is None:
            return nearest
        since = written.timestamp - round((seconds + SLACK_SECONDS) * 1000)
        found = self._consumer().offsets_for_times({partition: max(0, since)})[partition]
        return max(nearest, found.offset) if found else nearest


def open_log(settings: Settings, metrics: Metrics) -> KafkaLog:
    """Open the log of utterances. Set the metric that shows how long the broker keeps this log."""
    metrics.evidence_retention_seconds.set(kafka_topics.retention_seconds([UTTERANCES], settings.kafka))
    return KafkaLog(settings.kafka)


def partition_and_offset(address: str) -> tuple[TopicPartition, int] | None:
    """Split `topic/partition/offset` into partition and offset. None for the address of another kind of log."""
    topic, _, rest = address.partition("/")
    partition, _, offset = rest.partition("/")
    if not (topic and partition.isdecimal() and offset.isdecimal()):
        return None
    return TopicPartition(topic, int(partition)), int(offset)


def _size(record: Any) -> int:
    return len(record.value or b"")


def _place(address: str, topic: str) -> tuple[TopicPartition, int] | None:
    """Return the partition and offset of an address. None if the address is not of this topic."""
    place = partition_and_offset(address)
    return place if place and place[0].topic == topic else None


def _decoded(record: Any | None, kind: type[M]) -> M | None:
    try:
        message = record and decode_event(kind, record.value, record.headers)
    except BadMessage:
        return None  # this record is already a dead letter
    return message and msgspec.structs.replace(message, address=address_of(record))
