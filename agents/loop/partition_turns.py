"""Waiting records, taken in turn from each partition, so that no partition waits for another's backlog."""

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Any


class Turns:
    """A queue for each partition. Each keeps its order."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Any, deque[Any]] = OrderedDict()
        """The partition whose turn it is comes first. No queue is empty."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, records: Iterable[Any]) -> None:
        """Add records. Each has its partition in `tp`."""
        for record in records:
            self._waiting.setdefault(record.tp, deque()).append(record)
            self._count += 1

    def take(self, most: int) -> list[Any]:
        """Remove and return at most `most` records."""
        taken: list[Any] = []
        while self._waiting and len(taken) < most:
            partition, records = self._waiting.popitem(last=False)
            taken.append(records.popleft())
            if records:
                self._waiting[partition] = records
        self._count -= len(taken)
        return taken
