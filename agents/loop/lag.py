"""The lag of a role's consumer group, as the broker reports it, and the backlog of one worker."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec

from agents.broker.kafka_clients import broker_errors, client, topic_name
from agents.loop.faust_app import PartitionName, group_of
from pipeline.contract.stage import Backlog
from pipeline.contract.topology import Stage
from pipeline.settings import Settings
from pipeline.speech.load_shedding import Arrivals


@dataclass(frozen=True, slots=True)
class GroupPosition:
    """The committed offset of a group on one partition, and the partition's end offset."""

    committed: int
    end: int

    @property
    def lag(self) -> int:
        """Number of records that wait."""
        return max(0, self.end - self.committed)


class Lag:
    """Asks for the lag of one stage over one connection.

    For one thread. After an error, the next call opens a new connection.
    """

    def __init__(self, stage: Stage, settings: Settings) -> None:
        self._kafka = settings.kafka
        self._topics = [topic_name(topic, settings.kafka) for topic in stage.takes]
        self._group = group_of(settings, stage)
        self._client: Any = None

    def places(self) -> dict[PartitionName, GroupPosition]:
        """Return the position on each partition. Raises DependencyError if the broker does not answer."""
        try:
            with broker_errors(self._kafka):
                return self._ask()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _ask(self) -> dict[PartitionName, GroupPosition]:
        if self._client is None:
            self._client = client(KafkaAdminClient, self._kafka)
        described = self._client.describe_topics(self._topics)
        numbers = {topic["name"]: [each["partition_index"] for each in topic["partitions"]] for topic in described}
        partitions = [TopicPartition(name, number) for name, found in numbers.items() for number in found]
        first = self._offsets(partitions, OffsetSpec.EARLIEST)
        end = self._offsets(partitions, OffsetSpec.LATEST)
        committed = self._client.list_group_offsets({self._group: partitions})[self._group]
        # Expired records are no lag: nobody can read them. A new group has committed nothing.
        return {
            each: GroupPosition(max(committed[each].offset if each in committed else -1, first[each]), end[each])
            for each in partitions
        }

    def _offsets(self, partitions: list[TopicPartition], which: Any) -> dict[TopicPartition, int]:
        found = self._client.list_partition_offsets(dict.fromkeys(partitions, which))
        return {partition: each.offset for partition, each in found.items()}


def unknown_backlog() -> Backlog:
    """Return a backlog of unknown size: nobody has looked at the broker yet, or it did not answer."""
    return Backlog(waited=0.0)


class WorkerBacklog:
    """Tracks the backlog of one worker. One thread calls `see` and `forget`; any thread may call `backlog`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._partitions: frozenset[PartitionName] = frozenset()
        self._arrivals = Arrivals()
        self._backlog = unknown_backlog()

    def backlog(self) -> Backlog:
        return self._backlog

    def see(self, places: Mapping[PartitionName, GroupPosition]) -> None:
        """Take in one look at the worker's own partitions. If the partitions have changed, the count starts again."""
        if places.keys() != self._partitions:
            self.forget()
            self._partitions = frozenset(places)
        self._arrivals.see(sum(place.end for place in places.values()), self._clock())
        waiting = sum(place.lag for place in places.values())
        self._backlog = Backlog(waited=0.0, messages=waiting, arrivals=self._arrivals.rate)

    def forget(self) -> None:
        """Drop all figures, because the broker did not answer."""
        self._arrivals.forget()
        self._backlog = unknown_backlog()
