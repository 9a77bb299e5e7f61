"""The work of a stage on a batch of records, when the loop asks. Most stages only process it: `BatchWork`."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from agents.broker.kafka_records import Received
from agents.loop.lag import unknown_backlog
from pipeline.contract.stage import Backlog, Processor


class Work(ABC):
    """Connects the processors of a stage to a `StageLoop`.

    The `StageLoop` calls `process`, `tick` and `close` in the stage's thread, and the other methods on the asyncio
    event loop. Two calls never run at the same time, except `early` and `early_outputs`.
    """

    tick_seconds = 5.0
    """The time between calls of `tick`."""

    backlog: Callable[[], Backlog] = staticmethod(unknown_backlog)
    """Returns the records that wait for this worker on the broker."""

    def __init__(self, retention: float = math.inf, clock: Callable[[], float] = time.time) -> None:
        """The broker keeps a record for `retention` seconds. `clock` returns UTC seconds."""
        self._retention = retention
        self._clock = clock

    def choose(self, records: Sequence[Any]) -> Sequence[Any]:
        """Return the records of a new batch that still concern this worker."""
        return records

    def take(self, received: Received) -> None:
        """See each record of a batch, good or bad, in order. Called before the good ones are processed."""
        return

    def early(self, messages: Sequence[Any]) -> None:
        """Give the processors messages on which they may work ahead. Any thread may call this."""
        return

    def early_outputs(self) -> list[Any]:
        """Return the outputs that are ready of messages that `early` gave."""
        return []

    @abstractmethod
    def process(self, batch: Sequence[Received]) -> list[Any]:
        """Process the good records of a batch and return the output messages and `Rejected`."""

    @abstractmethod
    def tick(self, now: float) -> list[Any]:
        """Return the outputs that are due at `now` (UTC seconds) without a new record."""

    @abstractmethod
    def finished(self, batch: Sequence[Received]) -> list[Any]:
        """Return the records to acknowledge, in offset order. Called after the broker has the results of the batch."""

    @abstractmethod
    def close(self) -> None:
        """Close the processors."""

    def backlog_of(self, batch: Sequence[Received]) -> Backlog:
        """Return the backlog that the batch shows."""
        now, known = self._clock(), self.backlog()
        oldest = min((_waiting_since(received) for received in batch), default=now)
        return Backlog(
            waited=now - oldest,
            messages=max(known.messages, len(batch)),  # the broker's answer is some seconds old
            arrivals=known.arrivals,
            retention=self._retention,
        )


class BatchWork(Work):
    """The work of a stage that holds no records between batches."""

    def __init__(
        self,
        processor: Processor[Any, Any],
        retention: float = math.inf,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(retention, clock)
        self.processor = processor

    def early(self, messages: Sequence[Any]) -> None:
        self.processor.early(messages)

    def early_outputs(self) -> list[Any]:
        return self.processor.early_outputs()

    def process(self, batch: Sequence[Received]) -> list[Any]:
        self.processor.behind(self.backlog_of(batch))
        return self.processor.handle([received.message for received in batch])

    def tick(self, now: float) -> list[Any]:
        return self.processor.tick(now)

    def finished(self, batch: Sequence[Received]) -> list[Any]:
        return [received.record for received in batch]

    def close(self) -> None:
        self.processor.close()


def _waiting_since(received: Received) -> float:
    """Return since when a message waits (UTC seconds): when it was written, or when its speech ends if that is later.

    The speech of a recording can end in the future.
    """
    written: float = received.record.timestamp or 0.0
    return max(written, getattr(received.message, "end", written))
