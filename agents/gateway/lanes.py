"""Send records to the partitions of one topic: in order, in batches, and within a time limit."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pipeline.base.errors import DependencyError
from pipeline.contract.cloud_events import Event

LINGER_SECONDS = 0.01
"""How long a batch waits for more records."""

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Parcel:
    """A record in flight. `confirmed` is done when the broker has it, and cancelled when nobody waits for it."""

    event: Event
    at: float
    """Time of the handover, in seconds of the event loop's clock."""
    confirmed: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def fail(self, error: Exception) -> None:
        if not self.confirmed.done():
            self.confirmed.set_exception(error)

    def confirm(self) -> None:
        if not self.confirmed.done():
            self.confirmed.set_result(None)


class Lane:
    """The records for one partition. Only one batch is in flight, so that a retried batch stays before the next one."""

    def __init__(self, producer: Any, topic: str, partition: int, unanswered: Callable[[], Exception]) -> None:
        self._producer = producer
        self._topic = topic
        self._partition = partition
        self._unanswered = unanswered
        self._waiting: deque[Parcel] = deque()
        self._under_way: list[Parcel] = []
        self._some = asyncio.Event()

    def put(self, parcel: Parcel) -> None:
        self._waiting.append(parcel)
        self._some.set()

    @property
    def oldest(self) -> float | None:
        """Time of the handover of the oldest record in hand; None if there is none."""
        return next((parcel.at for parcel in self._parcels()), None)

    async def run(self) -> None:
        while True:
            await self._some.wait()
            await asyncio.sleep(LINGER_SECONDS)
            batch = self._filled()
            if not self._waiting:
                self._some.clear()
            if self._under_way:
                await self._send(batch)

    def expire(self, before: float) -> None:
        """Fail the records handed over before time `before`, and drop those that are not in flight."""
        for parcel in self._parcels():
            if parcel.at < before:
                parcel.fail(self._unanswered())
        while self._waiting and self._waiting[0].confirmed.done():
            self._waiting.popleft()

    def _parcels(self) -> Iterator[Parcel]:
        yield from self._under_way
        yield from self._waiting

    def _filled(self) -> Any:
        """Return a batch with as many waiting records as fit. Records that nobody waits for are left out."""
        batch = self._producer.create_batch()
        while self._waiting:
            parcel = self._waiting[0]
            if not parcel.confirmed.done():
                event = parcel.event
                if not batch.append(key=event.key, value=event.value, timestamp=None, headers=event.headers):
                    break
                self._under_way.append(parcel)
            self._waiting.popleft()
        return batch

    async def _send(self, batch: Any) -> None:
        try:
            batch.close()
            await (await self._producer.send_batch(batch, self._topic, partition=self._partition))
        except Exception as error:  # whatever it is, the lane must go on: all rooms of its partition wait for it
            log.warning("Kafka did not take %d records: %s", len(self._under_way), type(error).__name__)
            reason = DependencyError(f"Kafka refuses audio ({type(error).__name__})", "See the broker's log.")
            for parcel in self._under_way:
                parcel.fail(reason)
        else:
            for parcel in self._under_way:
                parcel.confirm()
        self._under_way = []
