"""When a worker stops rather than drain its topic into the dead letters: a bad deploy, most often.

Judged before a batch is sent and acknowledged, so the batch that tips it stays in the topic. A worker that a supervisor
starts again begins with an empty window, therefore a few bad records are enough: it finds the same backlog, a whole
batch of it at once, and halts again before it has sent anything. Where the backlog comes in dribs, a restart sends at
most ENOUGH - 1 of them on, and those can be replayed.
"""

from collections import deque

from pipeline.errors import VoxwardenError

WINDOW = 200
"""Messages that the share is taken of."""

ENOUGH = 8
"""Bad ones in the window before it counts: not more than the smallest batch of a stage."""


class HaltError(VoxwardenError):
    """The share of dead letters is too large to go on."""


class DeadLetterShare:
    """Of the last WINDOW messages of one worker. `limit` 1 never halts."""

    def __init__(self, stage: str, limit: float) -> None:
        self._stage = stage
        self._limit = limit
        self._bad: deque[bool] = deque(maxlen=WINDOW)

    @property
    def share(self) -> float:
        return sum(self._bad) / len(self._bad) if self._bad else 0.0

    def add(self, messages: int, letters: int) -> None:
        """A batch that is about to be sent; raises HaltError if it must not be."""
        self._bad.extend([False] * (messages - letters) + [True] * letters)
        if sum(self._bad) >= ENOUGH and self.share > self._limit:
            raise HaltError(
                f"{self._stage} halts: {sum(self._bad)} of the last {len(self._bad)} messages are dead letters",
                "Mend the cause, or raise kafka.dead_letter_share; `voxwarden dead-letters list` shows reasons.",
            )
