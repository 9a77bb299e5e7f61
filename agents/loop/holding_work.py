"""The work of a stage that keeps speakers between batches, as segment does with unfinished speech.

Such a stage must not let Kafka forget the records that it still needs, so a ledger decides what to acknowledge. The
stage reports how many of a speaker's last records it needs. It reports a count, not a time, so that a clock that jumps
cannot block commits.
"""

import math
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Generic, TypeVar

import faust

from agents.broker.kafka_records import Received
from agents.broker.kafka_topics import retention_seconds
from agents.loop.faust_app import PartitionName
from agents.loop.segmenter_lead_in import Earlier, LeadIn
from agents.loop.work import Work
from pipeline.base.metrics import Metrics
from pipeline.contract.stage import HoldingProcessor
from pipeline.contract.topology import UTTERANCES, Stage
from pipeline.runner.stage_processor import build_processor
from pipeline.settings import Settings
from pipeline.speech.audio.cutter import lead_seconds

P = TypeVar("P", bound=Hashable)
T = TypeVar("T")

Speaker = tuple[str, str]
"""Room and speaker."""

Before = Callable[[Any], Earlier]
"""Returns what to learn before the first record of a partition."""
# After a longer pause between ticks, the worker has stood still.
STANDSTILL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class HeldRecord(Generic[T]):
    """A record that is not acknowledged yet."""

    record: T
    speaker: Speaker | None
    number: int
    """Counts the speaker's records on the partition, from 1."""


class Partition(Generic[T]):
    """The unacknowledged records of one partition, in offset order."""

    def __init__(self) -> None:
        self.entries: deque[HeldRecord[T]] = deque()
        self._counts: dict[Speaker, int] = {}  # for each speaker in `entries`, the number of the last record

    def add(self, record: T, speaker: Speaker | None) -> None:
        number = 0
        if speaker:
            number = self._counts[speaker] = self._counts.get(speaker, 0) + 1
        self.entries.append(HeldRecord(record, speaker, number))

    def finished(self, needed: Callable[[Speaker], int]) -> list[T]:
        """Remove and return the finished records at the start: a commit would skip a record that waits between them."""
        records: list[T] = []
        while self.entries and self._is_finished(self.entries[0], needed):
            entry = self.entries.popleft()
            if entry.speaker and self._counts[entry.speaker] == entry.number:
                del self._counts[entry.speaker]  # else the memory would grow with each speaker of the past
            records.append(entry.record)
        return records

    def _is_finished(self, entry: HeldRecord[T], needed: Callable[[Speaker], int]) -> bool:
        return entry.speaker is None or entry.number <= self._counts[entry.speaker] - needed(entry.speaker)


class Ledger(Generic[P, T]):
    """The unacknowledged records of all partitions."""

    def __init__(self) -> None:
        self._partitions: dict[P, Partition[T]] = {}

    def __len__(self) -> int:
        return sum(len(partition.entries) for partition in self._partitions.values())

    def add(self, partition: P, record: T, speaker: Speaker | None = None) -> None:
        """Add a record. Without a `speaker` (a dead letter) it holds nothing back."""
        self._partitions.setdefault(partition, Partition()).add(record, speaker)

    def finished(self, needed: Callable[[P, Speaker], int]) -> list[T]:
        """Remove and return the records that may be acknowledged now, in offset order for each partition.

        `needed` returns how many of a speaker's last records on a partition unfinished speech still needs.
        """
        # The cache asks the stage once for each speaker, not for each record.
        return [
            record
            for name, partition in self._partitions.items()
            for record in partition.finished(cache(partial(needed, name)))
        ]


class HoldingWork(Work):
    """Has a processor for each partition, so that its outputs do not depend on the audio of other partitions.

    After a change of the shards or of the partitions, old audio of a speaker waits on one partition, and new audio on
    another. One processor for both would take the old audio for late, and drop it.

    It starts again after each rebalance: Kafka then delivers again all records that were not acknowledged.
    """

    tick_seconds = 1.0

    def __init__(
        self,
        build: Callable[[], HoldingProcessor[Any, Any]],
        generation: Callable[[], int],
        before: Before,
        retention: float = math.inf,
    ) -> None:
        super().__init__(retention)
        self._build = build
        self._generation_now = generation
        self._before = before
        # By partition. A partition has one when its first record has arrived.
        self.processors: dict[PartitionName, HoldingProcessor[Any, Any]] = {}
        self._generation: int | None = None
        self._outdated = False
        self._ledger: Ledger[PartitionName, Any] = Ledger()
        self._ticked = math.inf  # UTC seconds of the last tick; infinite at first, so that the first tick is not silent
        self._silent_until = 0.0

    def choose(self, records: Sequence[Any]) -> Sequence[Any]:
        """Drop records that were fetched before the last rebalance. Kafka delivers them again, here or elsewhere."""
        self._follow()
        return [record for record in records if record.generation_id == self._generation]

    def take(self, received: Received) -> None:
        chunk, record = received.message, received.record
        self._ledger.add(_partition(received), record, (chunk.room, chunk.speaker) if chunk else None)

    def process(self, batch: Sequence[Received]) -> list[Any]:
        self._renew()
        parts: dict[PartitionName, list[Received]] = {}
        for received in batch:
            parts.setdefault(_partition(received), []).append(received)
        self._begin({name: part[0].record for name, part in parts.items() if name not in self.processors})
        backlog = self.backlog_of(batch)
        for name in parts:
            self.processors[name].behind(backlog)
        return [
            result
            for name, part in parts.items()
            for result in self.processors[name].process([received.message for received in part])
        ]

    def tick(self, now: float) -> list[Any]:
        """Return what is due at `now` (UTC seconds), and nothing for 10 s after a standstill or a rebalance."""
        self._renew()
        if now - self._ticked > STANDSTILL_SECONDS:  # speech that seems overdue may wait on the broker
            self._silent_until = now + STANDSTILL_SECONDS
        self._ticked = now
        silent = 0 < self._silent_until - now <= STANDSTILL_SECONDS  # both bounds, because the clock may be set back
        return [] if silent else [result for each in self.processors.values() for result in each.tick(now)]

    def finished(self, batch: Sequence[Received]) -> list[Any]:
        for received in batch:
            received.record.value = None  # the ledger keeps records for seconds, and needs no audio
        self._follow()
        return [] if self._outdated else self._ledger.finished(self._needed)

    def close(self) -> None:
        for processor in self.processors.values():
            processor.close()
        self.processors.clear()

    def _needed(self, partition: PartitionName, speaker: Speaker) -> int:
        return self.processors[partition].needed(*speaker)

    def _follow(self) -> None:
        now = self._generation_now()
        if now != self._generation:
            # The stage's thread uses the processors. So it closes them itself, in `_renew`.
            self._outdated = self._outdated or self._generation is not None
            self._generation = now
            self._ledger = Ledger()

    def _renew(self) -> None:
        if self._outdated:
            self.close()
            self._outdated = False

    def _begin(self, firsts: Mapping[PartitionName, Any]) -> None:
        """Build the processors of partitions whose first records have arrived.

        Each one hears what came before: that audio is already acknowledged and sent.
        """
        for name, record in firsts.items():
            found = self._before(record)
            processor = self._build()
            processor.lead_in(found.chunks, found.sent)
            self.processors[name] = processor  # last: if the broker does not answer, a retry begins here again
            if found.chunks:
                self._ticked = -math.inf  # as after a standstill: the rest of this speech may wait on the broker


def _partition(received: Received) -> PartitionName:
    return received.record.topic, received.record.partition


def build_holding_work(stage: Stage, app: faust.App, settings: Settings, metrics: Metrics) -> HoldingWork:
    def processor() -> HoldingProcessor[Any, Any]:
        made = build_processor(stage, settings, metrics)
        if not isinstance(made, HoldingProcessor):
            raise TypeError(f"{stage.build} must make a HoldingProcessor, because stage {stage.name} holds records")
        return made

    before = LeadIn(settings.kafka, lead_seconds(settings.audio), with_sent=UTTERANCES in stage.gives)
    retention = retention_seconds(stage.takes, settings.kafka)
    return HoldingWork(processor, lambda: app.consumer_generation_id, before, retention)
