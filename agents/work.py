"""What a stage does with a batch of records, as the loop asks for it. Most stages just process it."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from agents.backlog import unknown
from agents.records import Received
from pipeline.stage import Backlog, Processor

P = TypeVar("P", bound=Processor[Any, Any])


class Work(Generic[P]):
    """`process`, `tick` and `close` are called in the stage's thread, the rest in the event loop between those."""

    tick_seconds: float | None = None
    """How often `tick` is due; None: the stage holds nothing that time could set free."""

    backlog: Callable[[], Backlog] = staticmethod(unknown)
    """What the broker has for this worker."""

    def __init__(self, processor: P) -> None:
        self.processor = processor

    def choose(self, records: Sequence[Any]) -> Sequence[Any]:
        """Those of a new batch that still concern this worker."""
        return records

    def take(self, received: Received) -> Received:
        """Sees each record, good or bad, in order, before the good ones are processed."""
        return received

    def process(self, batch: Sequence[Received]) -> list[Any]:
        """Messages and `Rejected`."""
        return self.processor.handle([received.message for received in batch])

    def tick(self, now: float) -> list[Any]:
        return self.processor.tick(now)

    def finished(self, batch: Sequence[Received]) -> list[Any]:
        """The records to acknowledge, now that the batch's outcome is with the broker: in offset order."""
        return [received.record for received in batch]

    def close(self) -> None:
        self.processor.close()
