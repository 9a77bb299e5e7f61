"""What a stage's work looks like to its carrier: the local runner, or a Faust agent."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pipeline.errors import VoxwardenError

In = TypeVar("In")
Out = TypeVar("Out")

BEHIND_SECONDS = 1.0
"""Messages that waited longer tell of a backlog: what seems overdue may be in it. Well below `audio.idle_seconds`."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for a stage, as its carrier sees it; NaN for what nobody knows."""

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
    """A message that cannot be handled, however often it is tried: it goes to the dead letters."""

    message: object
    error: VoxwardenError


class Processor(ABC, Generic[In, Out]):
    """One stage's work, called from one thread at a time and free to block.

    A message that can never be handled comes back as `Rejected`; a dependency that does not answer raises
    `DependencyError`, upon which the carrier tries again and at last ends the process.
    """

    @abstractmethod
    def process(self, batch: Sequence[In]) -> list[Out | Rejected]:
        """Handle `batch`, in order, and give what it leads to, in order."""

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
