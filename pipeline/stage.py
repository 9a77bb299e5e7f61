"""The interface between a stage's processor and the runner that feeds it: the local runner, or a Faust agent."""

import logging
import math
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pipeline.errors import BadMessage, VoxwardenError

In = TypeVar("In")
Out = TypeVar("Out")

BEHIND_SECONDS = 1.0
"""Messages that waited longer tell of a backlog: what seems overdue may be in it. Well below `audio.idle_seconds`."""


RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Pauses before a runner tries a dependency again. Their sum is well below Kafka's rebalance time-out, which a batch
must not outlast."""

STAGE_FAULTS = (VoxwardenError, OSError, MemoryError)
"""Errors of a dependency, the disk or the memory: no message is to blame, and the batch must not be acknowledged."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backlog:
    """The messages that wait for a stage, as its runner sees them; NaN for an unknown number."""

    waited: float
    """Seconds that the oldest message of the coming batch has waited."""
    messages: float = math.nan
    """That wait, with the coming batch."""
    arrivals: float = math.nan
    """Messages that come in a second."""
    retention: float = math.inf
    """Seconds after which a message expires, heard or not."""


NO_BACKLOG = Backlog(waited=0.0, messages=0, arrivals=0.0)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that cannot be handled, or not all of it, however often it is tried: it goes to the dead letters."""

    message: object
    error: VoxwardenError
    letter: bool = True
    """False: it counts as a bad message, but its sender has a letter for the same fault already."""


def blamed(error: Exception) -> BadMessage:
    """What to reject a message with when handling it raised an `error` that nobody foresaw: a bug of ours.

    It names the place in the code, not the error's own text, which may hold what somebody said.
    """
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
    log.error("A message raised an unforeseen %s; it goes to the dead letters", where)
    return BadMessage(f"An unforeseen {where}", "Please report it, with the message if you may share it.")


class Processor(ABC, Generic[In, Out]):
    """One stage's work, called from one thread at a time and free to block.

    A message that can never be handled comes back as `Rejected`; a dependency that does not answer raises
    `DependencyError`. The runner then tries again, and in the end stops the process.
    """

    @abstractmethod
    def process(self, batch: Sequence[In]) -> list[Out | Rejected]:
        """Handle `batch`, in order, and give what it leads to, in order."""

    def handle(self, batch: Sequence[In]) -> list[Out | Rejected]:
        """`process` for the runners: a message that raises an unforeseen error is rejected, the others go on.

        The batch is then tried again message by message. A stage whose state would hear them twice has its own way.
        """
        try:
            return self.process(batch)
        except STAGE_FAULTS:
            raise
        except Exception as error:
            if len(batch) == 1:
                return [Rejected(batch[0], blamed(error))]
        return [result for message in batch for result in self.handle([message])]

    def behind(self, backlog: Backlog) -> None:
        """What waits; told before each batch of live speech."""

    def tick(self, now: float) -> list[Out | Rejected]:
        """What is due because time has passed (`now`, UTC seconds), though nothing came in."""
        return []

    def drain(self) -> list[Out | Rejected]:
        """What is still held, at the end of the stream."""
        return []

    def close(self) -> None:
        """Release files, connections and models."""


class HoldingProcessor(Processor[In, Out]):
    """A processor that keeps messages of a speaker between batches, for example speech that is not finished.

    Kafka hands out again what is not acknowledged, so the runner acknowledges a message when it is `needed` no more.
    """

    @abstractmethod
    def needed(self, room: str, speaker: str) -> int:
        """How many of this speaker's last messages are still needed."""

    @abstractmethod
    def held_since(self, room: str, speaker: str) -> float | None:
        """When the oldest of these starts, as it states, UTC seconds; None if none is needed."""

    @abstractmethod
    def lead_in(self, earlier: Iterable[In], told: Iterable[Out] = ()) -> None:
        """Learn from acknowledged messages before the first batch, and from the outputs `told` for them then."""

    def handle(self, batch: Sequence[In]) -> list[Out | Rejected]:
        """A batch that is tried again would be taken twice, so `process` itself finds the message to reject."""
        return self.process(batch)
