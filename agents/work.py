"""What a stage does with a batch of records, as the loop asks for it. Most stages just process it."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from agents.backlog import unknown
from agents.records import Received
from pipeline.stage import Backlog, Processor

P = TypeVar("P", bound=Processor[Any, Any])


class Work(Generic[P]):
    """`process`, `tick` and `close` are called in the stage's thread, the rest in the event loop between those.

    `retention` is that of the records, in seconds; `clock` gives UTC seconds.
    """

    tick_seconds = 5.0
    """How often `tick` is due."""

    backlog: Callable[[], Backlog] = staticmethod(unknown)
    """The records that wait for this worker at the broker."""

    def __init__(self, processor: P, retention: float = math.inf, clock: Callable[[], float] = time.time) -> None:
        self.processor = processor
        self._retention = retention
        self._clock = clock

    def choose(self, records: Sequence[Any]) -> Sequence[Any]:
        """Those of a new batch that still concern this worker."""
        return records

    def take(self, received: Received) -> None:
        """Sees each record, good or bad, in order, before the good ones are processed."""

    def process(self, batch: Sequence[Received]) -> list[Any]:
        """Messages and `Rejected`."""
        self.processor.behind(self._backlog_of(batch))
        return self.processor.handle([received.message for received in batch])

    def tick(self, now: float) -> list[Any]:
        return self.processor.tick(now)

    def finished(self, batch: Sequence[Received]) -> list[Any]:
        """The records to acknowledge, now that the batch's outcome is with the broker: in offset order."""
        return [received.record for received in batch]

    def close(self) -> None:
        self.processor.close()

    def _backlog_of(self, batch: Sequence[Received]) -> Backlog:
        now, known = self._clock(), self.backlog()
        oldest = min((_waiting_since(received) for received in batch), default=now)
        return Backlog(
            waited=now - oldest,
            messages=max(known.messages, len(batch)),  # the broker was asked some seconds ago
            arrivals=known.arrivals,
            retention=self._retention,
        )


def _waiting_since(received: Received) -> float:
    """UTC seconds: when the message was written, or when its speech ends, if that is yet to come, as in a recording."""
    written: float = received.record.timestamp or 0.0
    return max(written, getattr(received.message, "end", written))
