"""The interface between a stage's processor and its runner: the local runner, or a Faust agent."""

import logging
import math
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pipeline.base.errors import BadMessage, VoxwardenError

In = TypeVar("In")
Out = TypeVar("Out")

# If messages wait for more seconds, there is a backlog, and it may contain the audio of a speaker who seems silent.
# This is far below `audio.idle_seconds`.
BEHIND_SECONDS = 1.0


# Pauses in seconds before the retries if a dependency does not answer. Their sum is far below Kafka's rebalance
# timeout, because a batch must end before that.
RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)

# Errors of a dependency, the disk or the memory. No message causes them, and the batch must not be acknowledged.
STAGE_FAULTS = (VoxwardenError, OSError, MemoryError)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backlog:
    """The messages that wait for a stage. NaN is an unknown number."""

    waited: float
    """Seconds that the oldest message of the next batch has waited."""
    messages: float = math.nan
    """Number of waiting messages, with the next batch."""
    arrivals: float = math.nan
    """Messages that arrive per second."""
    retention: float = math.inf
    """Seconds after which a message is deleted, processed or not."""


NO_BACKLOG = Backlog(waited=0.0, messages=0, arrivals=0.0)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that cannot be handled, fully or in part, by any retry. It goes to the dead letters."""

    message: object
    error: VoxwardenError
    letter: bool = True
    """False: it counts as a bad message, but writes no letter: its sender has one for the same fault already."""


def place_of(error: Exception) -> str:
    """The kind of `error` and its place in the code, without its text, which may contain speech."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"


def blamed(error: Exception) -> BadMessage:
    """The BadMessage for a message whose handling raised an unexpected `error`: a bug in Voxwarden."""
    where = place_of(error)
    log.error("A message raised an unexpected %s; it goes to the dead letters", where)
    return BadMessage(f"An unexpected {where}", "Please report it, with the message if you may share it.")


class Processor(ABC, Generic[In, Out]):
    """The work of one stage. A runner calls it from one thread at a time; methods may block.

    A message that can never be handled is returned as `Rejected`. If a dependency does not answer, methods raise
    `DependencyError`. The runner then retries, and stops the process if all retries fail.
    """

    worked: Callable[[], None] = staticmethod(lambda: None)
    """A stage calls it after each part of a batch that may take long. So the runner knows that the stage does not hang.
    """

    @abstractmethod
    def process(self, batch: Sequence[In]) -> list[Out | Rejected]:
        """Handle `batch` in order, and return its outputs in order."""

    def handle(self, batch: Sequence[In]) -> list[Out | Rejected]:
        """Call `process`, and reject only the message that raises an unexpected error.

        After such an error the batch is repeated message by message. Processors with state override this method, so
        that they do not take a message twice.
        """
        try:
            return self.process(batch)
        except STAGE_FAULTS:
            raise
        except Exception as error:
            if len(batch) == 1:  # also ends the recursion
                return [Rejected(batch[0], blamed(error))]
        return [result for message in batch for result in self.handle([message])]

    def behind(self, backlog: Backlog) -> None:
        """Receive the current backlog, before each batch of live speech."""

    def spared(self) -> None:
        """Count a live message that is left out, because the stage is behind. Any thread may call it."""

    def early(self, messages: Sequence[Any]) -> None:
        """Receive messages of the stage's `early` topic. Any thread may call it. Returns at once, and never raises."""

    def early_outputs(self) -> list[Out]:
        """Return the finished outputs for messages that `early` received. Any thread may call it. Returns at once."""
        return []

    def ready(self, messages: Sequence[In]) -> list[In]:
        """Return the live messages to `process` now. The stage works on the others meanwhile, and is asked again."""
        return list(messages)

    def tick(self, now: float) -> list[Out | Rejected]:
        """Return the outputs that are due at `now` (UTC seconds) without a new message."""
        return []

    def drain(self) -> list[Out | Rejected]:
        """Return the outputs of all held messages, at the end of the stream."""
        return []

    def close(self) -> None:
        """Release files, connections and models."""


class HoldingProcessor(Processor[In, Out]):
    """A processor that holds messages of a speaker between batches, for example unfinished speech.

    The runner acknowledges a message only when it is no longer `needed`. The log (Kafka, or the journal of one machine)
    gives unacknowledged messages again. Counts decide what is needed, because a time fails if a clock is set back.
    """

    @abstractmethod
    def needed(self, room: str, speaker: str) -> int:
        """How many of this speaker's latest messages are still needed."""

    @abstractmethod
    def lead_in(self, earlier: Iterable[In], sent: Iterable[Out] = (), *, whole: bool = False) -> None:
        """Restore the state before the first batch, from acknowledged messages and their outputs `sent`.

        `whole` says that these are all their outputs.
        """

    def handle(self, batch: Sequence[In]) -> list[Out | Rejected]:
        """Call `process`, which must reject a bad message itself: a repeated batch would be taken twice."""
        return self.process(batch)
