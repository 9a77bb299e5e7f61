"""Which records may be acknowledged when speech that spans many of them is still unfinished.

A stage that holds audio back must not let Kafka forget the records it came in. A record is finished when no unfinished
speech of its speaker reaches back into it; it is acknowledged when it and all before it on its partition are finished,
because Faust's commit would skip a single un-acknowledged record.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

Speaker = tuple[str, str]
"""Room and speaker."""


@dataclass(slots=True)
class Entry(Generic[T]):
    """A record that is not acknowledged yet."""

    record: T
    speaker: Speaker | None
    start: float
    end: float = math.inf
    """Where the speaker's next audio starts, UTC seconds; not known before that has come."""


class Ledger(Generic[T]):
    """The records in hand, by partition, in offset order."""

    def __init__(self) -> None:
        self._partitions: dict[int, deque[Entry[T]]] = {}
        self._last: dict[Speaker, Entry[T]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._partitions.values()))

    def add(self, partition: int, record: T, speaker: Speaker | None = None, start: float = 0.0) -> None:
        """Note a record; without a `speaker` it holds nothing back (a dead letter)."""
        entry = Entry(record, speaker, start)
        self._partitions.setdefault(partition, deque()).append(entry)
        if speaker:
            self._connect(speaker, entry)

    def finished(self, held_since: Callable[[str, str], float | None]) -> list[T]:
        """Take out what may be acknowledged now, in offset order for each partition.

        `held_since(room, speaker)` is the start of the oldest audio still needed, None when there is none.
        """
        held: dict[Speaker, float] = {}
        for speaker in self._last:
            since = held_since(*speaker)
            held[speaker] = math.inf if since is None else since
        return [record for entries in self._partitions.values() for record in self._prefix(entries, held)]

    def _connect(self, speaker: Speaker, entry: Entry[T]) -> None:
        last = self._last.get(speaker)
        if last and entry.start < last.start:
            entry.end = last.start  # it came late: what follows it is already here
            return
        if last:  # a repeat of the same chunk takes its place: it has the same audio, at a later offset
            last.end = entry.start
        self._last[speaker] = entry

    def _prefix(self, entries: deque[Entry[T]], held: dict[Speaker, float]) -> list[T]:
        done: list[T] = []
        while entries and self._finished(entries[0], held):
            entry = entries.popleft()
            if entry.speaker and self._last.get(entry.speaker) is entry:
                del self._last[entry.speaker]
            done.append(entry.record)
        return done

    @staticmethod
    def _finished(entry: Entry[T], held: dict[Speaker, float]) -> bool:
        return entry.speaker is None or held.get(entry.speaker, math.inf) >= entry.end
