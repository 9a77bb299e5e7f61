"""The records that may be acknowledged while speech that spans many records is unfinished.

A stage that holds audio must not let Kafka forget the records with this audio. It reports how many of a speaker's last
records it still needs. It reports a count, not a time, so that a clock that jumps cannot block commits. A record is
acknowledged when it and all records before it on its partition are finished. The reason: Faust's commit skips a single
record that is not acknowledged.
"""

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cache, partial
from typing import Generic, TypeVar

P = TypeVar("P", bound=Hashable)
T = TypeVar("T")

Speaker = tuple[str, str]
"""Room and speaker."""


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
        self._counts: dict[Speaker, int] = {}
        """For each speaker in `entries`, the number of the last record."""

    def add(self, record: T, speaker: Speaker | None) -> None:
        number = 0
        if speaker:
            number = self._counts[speaker] = self._counts.get(speaker, 0) + 1
        self.entries.append(HeldRecord(record, speaker, number))

    def finished(self, needed: Callable[[Speaker], int]) -> list[T]:
        records: list[T] = []
        while self.entries and self._is_finished(self.entries[0], needed):
            entry = self.entries.popleft()
            if entry.speaker and self._counts[entry.speaker] == entry.number:
                del self._counts[entry.speaker]
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
        return [
            record
            for name, partition in self._partitions.items()
            for record in partition.finished(cache(partial(needed, name)))
        ]
