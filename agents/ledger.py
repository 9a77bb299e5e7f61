"""Which records may be acknowledged when speech that spans many of them is still unfinished.

A stage that holds audio back must not let Kafka forget the records it came in. It says how many of a speaker's last
records it still needs: a count, not a time, so that a clock that jumps holds nothing up. A record is acknowledged when
it and all before it on its partition are finished, because Faust's commit would skip a single un-acknowledged record.
"""

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cache
from typing import Generic, TypeVar

T = TypeVar("T")

Speaker = tuple[str, str]
"""Room and speaker."""


@dataclass(frozen=True, slots=True)
class HeldRecord(Generic[T]):
    """A record that is not acknowledged yet."""

    record: T
    speaker: Speaker | None
    number: int
    """Counts the speaker's records on the partition."""


class Partition(Generic[T]):
    """The records in hand of one partition, in offset order."""

    def __init__(self) -> None:
        self.entries: deque[HeldRecord[T]] = deque()
        self._counts: dict[Speaker, int] = {}
        """The number of the last record of each speaker who has any in hand."""

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


class Ledger(Generic[T]):
    """The records in hand of all partitions."""

    def __init__(self) -> None:
        self._partitions: dict[Hashable, Partition[T]] = {}

    def __len__(self) -> int:
        return sum(len(partition.entries) for partition in self._partitions.values())

    def add(self, partition: Hashable, record: T, speaker: Speaker | None = None) -> None:
        """Note a record; without a `speaker` it holds nothing back (a dead letter)."""
        self._partitions.setdefault(partition, Partition()).add(record, speaker)

    def finished(self, needed: Callable[[str, str], int]) -> list[T]:
        """Take out what may be acknowledged now, in offset order for each partition.

        `needed(room, speaker)` is how many of the speaker's last records unfinished speech still needs.
        """
        of = cache(lambda speaker: needed(*speaker))
        return [record for partition in self._partitions.values() for record in partition.finished(of)]
