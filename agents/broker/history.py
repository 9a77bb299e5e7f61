"""Read once what a topic holds of a time span, outside any consumer group."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kafka import TopicPartition

from agents.broker.kafka_clients import broker_errors, reader, topic_name
from pipeline.base.errors import ConfigError, DependencyError
from pipeline.contract.topology import Topic
from pipeline.settings import Kafka

POLL_MS = 500


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """The offsets of one partition from `first` on, and below `end`."""

    partition: TopicPartition
    first: int
    end: int


class History:
    """The records of a topic whose timestamps are at or after `since` and before `until`.

    Both are UTC seconds; None means no limit. Raises ConfigError if the topic does not exist. Raises DependencyError if
    the broker does not answer.
    """

    def __init__(self, kafka: Kafka, topic: Topic, since: float | None = None, until: float | None = None) -> None:
        self._kafka = kafka
        self._consumer = reader(kafka)
        self._name = topic_name(topic, kafka)
        try:
            with broker_errors(kafka):
                self._spans = self._find(since, until)
        except BaseException:
            self._consumer.close()
            raise
        # Upper limit for the number of records: offsets may have gaps.
        self.total = sum(span.end - span.first for span in self._spans)

    def read(self) -> Iterator[Any]:
        """Yield the records, one partition after the other, each in offset order.

        Raises DependencyError if no more come.
        """
        with broker_errors(self._kafka):
            for span in self._spans:
                yield from self._records(span)

    def close(self) -> None:
        self._consumer.close()

    def _find(self, since: float | None, until: float | None) -> list[TimeSpan]:
        numbers = self._consumer.partitions_for_topic(self._name)
        if not numbers:
            raise ConfigError(
                f"There is no topic {self._name} at {self._kafka.bootstrap}",
                "Create it with `voxwarden topics create`.",
            )
        partitions = [TopicPartition(self._name, number) for number in sorted(numbers)]
        firsts = self._offsets(partitions, since, self._consumer.beginning_offsets(partitions))
        ends = self._offsets(partitions, until, None)
        spans = [TimeSpan(partition, firsts[partition], ends[partition]) for partition in partitions]
        return [span for span in spans if span.first < span.end]

    def _offsets(
        self, partitions: list[TopicPartition], moment: float | None, otherwise: dict[TopicPartition, int] | None
    ) -> dict[TopicPartition, int]:
        """Return for each partition the first offset at or after `moment`, or the end offset if there is none.

        If `moment` is None, return `otherwise`, or the end offsets.
        """
        ends: dict[TopicPartition, int] = self._consumer.end_offsets(partitions)
        if moment is None:
            return ends if otherwise is None else otherwise
        found = self._consumer.offsets_for_times(dict.fromkeys(partitions, max(0, round(moment * 1000))))
        return {
            partition: ends[partition] if found[partition] is None else found[partition].offset
            for partition in partitions
        }

    def _records(self, span: TimeSpan) -> Iterator[Any]:
        self._consumer.assign([span.partition])
        self._consumer.seek(span.partition, span.first)
        position, progressed = span.first, time.monotonic()
        while position < span.end:
            records = self._consumer.poll(POLL_MS).get(span.partition, [])
            yield from (record for record in records if record.offset < span.end)
            # The position also moves where no record is: transactions and compaction leave gaps.
            if (now_at := self._consumer.position(span.partition)) > position:
                position, progressed = now_at, time.monotonic()
            elif time.monotonic() - progressed > self._kafka.connect_seconds:
                raise DependencyError(
                    f"Kafka at {self._kafka.bootstrap} gives no more records of {self._name}",
                    "Check that the broker runs.",
                )
