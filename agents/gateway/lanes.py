"""Records on their way to the partitions of one topic: in order, many in a batch, never longer than promised."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import KafkaError

from pipeline.errors import DependencyError
from pipeline.events import Event

LINGER_SECONDS = 0.01
"""A batch waits so long for more records."""

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Parcel:
    """A record that is on its way; `confirmed` ends when the broker has it, and is cancelled when nobody waits."""

    event: Event
    at: float
    """When it was handed over, seconds of the event loop's clock."""
    confirmed: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def fail(self, error: Exception) -> None:
        if not self.confirmed.done():
            self.confirmed.set_exception(error)

    def confirm(self) -> None:
        if not self.confirmed.done():
            self.confirmed.set_result(None)


class Lane:
    """One partition. One batch is under way at a time, so that a batch that is sent again comes before the next."""

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
        """When the oldest record in hand was handed over."""
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
        """Fail what was handed over `before` that time, and forget what is not under way."""
        for parcel in self._parcels():
            if parcel.at < before:
                parcel.fail(self._unanswered())
        while self._waiting and self._waiting[0].confirmed.done():
            self._waiting.popleft()

    def _parcels(self) -> Iterator[Parcel]:
        yield from self._under_way
        yield from self._waiting

    def _filled(self) -> Any:
        """A batch of what waits, as much as fits; what nobody waits for is left out."""
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
        except KafkaError as error:
            log.warning("Kafka did not take %d records: %s", len(self._under_way), type(error).__name__)
            reason = DependencyError(f"Kafka refuses audio ({type(error).__name__})", "See the broker's log.")
            for parcel in self._under_way:
                parcel.fail(reason)
        else:
            for parcel in self._under_way:
                parcel.confirm()
        self._under_way = []
