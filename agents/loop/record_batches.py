"""Batches for the loop, from the fetches of Faust's consumer (`agents/loop/intake.py`).

A fetch is made when the next batch needs it, so that few records wait. Partitions take turns in each batch.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterable
from typing import Any


class Fetches:
    """Holds at most one fetch. One task makes it, another takes it."""

    def __init__(self) -> None:
        self._wanted = asyncio.Event()
        self._made: asyncio.Queue[list[Any]] = asyncio.Queue(1)

    def want(self) -> None:
        """Request the next fetch, unless one is ready."""
        if self._made.empty():
            self._wanted.set()

    @property
    def are_wanted(self) -> bool:
        return self._wanted.is_set()

    async def wanted(self) -> None:
        """Wait until a fetch is requested."""
        await self._wanted.wait()

    @property
    def is_free(self) -> bool:
        """Whether `put` returns without waiting."""
        return self._made.empty()

    async def put(self, records: list[Any]) -> None:
        """Hand over one fetch. Waits until the previous one has been taken."""
        await self._made.put(records)
        self._wanted.clear()

    async def get(self) -> list[Any]:
        """Request and take one fetch. Waits until it is ready."""
        self.want()
        return await self._made.get()

    def get_nowait(self) -> list[Any]:
        """Take the fetch that is ready, or an empty list."""
        return [] if self._made.empty() else self._made.get_nowait()


class PartitionQueues:
    """A queue for each partition. Each keeps its order."""

    def __init__(self) -> None:
        # The partition whose turn it is comes first. No queue is empty.
        self._waiting: OrderedDict[Any, deque[Any]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, records: Iterable[Any]) -> None:
        """Add records. Each has its partition in `tp`."""
        for record in records:
            self._waiting.setdefault(record.tp, deque()).append(record)
            self._count += 1  # the loop asks for the length before each batch

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


async def batches(app: Any, most: int, within: float) -> AsyncIterator[list[Any]]:
    """Yield batches of at most `most` records. A batch waits `within` seconds for more records. Acknowledges nothing.

    Records that were fetched before the last rebalance are left out: Kafka sends them again, to this or another worker.
    """
    fetches: Fetches = app.consumer.fetches
    waiting = PartitionQueues()
    while True:
        waiting.add(fetches.get_nowait())
        if not waiting:
            waiting.add(await fetches.get())
        deadline = time.monotonic() + within
        while len(waiting) < most and (more := await _more(fetches, deadline)):
            waiting.add(more)
        batch = waiting.take(most)
        if len(waiting) < most:
            fetches.want()  # the fetch runs while this batch is processed
        if current := [record for record in batch if _is_current(app, record)]:
            yield current


async def _more(fetches: Fetches, deadline: float) -> list[Any] | None:
    try:
        return await asyncio.wait_for(fetches.get(), deadline - time.monotonic())
    except TimeoutError:
        return None


def _is_current(app: Any, record: Any) -> bool:
    """Whether the record belongs to the current assignment."""
    if not app.flow_control.is_active() or record.generation_id != app.consumer_generation_id:
        return False
    app.consumer.track_message(record)  # a stopping worker waits for its acknowledgement
    return True
