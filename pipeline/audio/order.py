"""Chunks of one speaker into the order of their sequence numbers, waiting a little for what is missing."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import Counter

from pipeline.messages import AudioChunk

REMEMBERED = 256
"""Numbers given up of which a late arrival is still known as late, rather than as a duplicate."""


@dataclass(frozen=True, slots=True)
class Ordered:
    chunk: AudioChunk
    after_gap: bool = False
    """Chunks before it were given up, or the numbering began anew."""


FAULTS = ("late", "duplicate", "reordered", "gap", "restart")


class Reorder:
    """Holds up to `ahead` chunks that come before their turn, then gives the missing one up.

    Faults are counted: `late` (after it was given up) and `duplicate` are dropped; `reordered` filled a hole in time;
    `gap` is a hole; `restart` is a smaller number at a later time: the app began to count anew.
    """

    def __init__(self, ahead: int, faults: Counter) -> None:
        self._ahead = ahead
        self._faults = faults
        self._expected: int | None = None
        self._waiting: dict[int, AudioChunk] = {}
        self._given_up: deque[int] = deque(maxlen=REMEMBERED)
        self._newest = float("-inf")
        """Start of the chunk given last, UTC seconds."""

    @property
    def waiting_since(self) -> float | None:
        """Start of the earliest chunk that waits, UTC seconds."""
        return min((chunk.start for chunk in self._waiting.values()), default=None)

    def push(self, chunk: AudioChunk) -> Iterator[Ordered]:
        """The chunks whose turn it is now that `chunk` has come."""
        if self._expected is None:
            self._expected = chunk.sequence
        if chunk.sequence < self._expected:
            yield from self._behind(chunk)
        elif chunk.sequence in self._waiting:
            self._count("duplicate")
        else:
            if self._waiting and chunk.sequence < max(self._waiting):
                self._count("reordered")
            self._waiting[chunk.sequence] = chunk
            yield from self._in_turn()
            if chunk.final:
                yield from self.flush()
            elif len(self._waiting) > self._ahead:
                yield from self._skip()

    def flush(self) -> Iterator[Ordered]:
        """Everything that waits, with its gaps: nothing more will come."""
        while self._waiting:
            yield from self._skip()

    def _behind(self, chunk: AudioChunk) -> Iterator[Ordered]:
        if chunk.sequence in self._given_up:
            self._count("late")
        elif chunk.start <= self._newest:
            self._count("duplicate")
        else:
            yield from self.flush()
            self._count("restart")
            self._given_up.clear()
            yield self._give(chunk, after_gap=True)

    def _skip(self) -> Iterator[Ordered]:
        """Give up what is missing before the first that waits."""
        first = min(self._waiting)
        if gap := first != self._expected:
            self._count("gap")
            self._given_up.extend(range(max(self._expected or 0, first - REMEMBERED), first))
        yield self._give(self._waiting.pop(first), after_gap=gap)
        yield from self._in_turn()

    def _in_turn(self) -> Iterator[Ordered]:
        while self._expected in self._waiting:
            yield self._give(self._waiting.pop(self._expected))

    def _give(self, chunk: AudioChunk, *, after_gap: bool = False) -> Ordered:
        self._expected = chunk.sequence + 1
        self._newest = chunk.start
        return Ordered(chunk, after_gap)

    def _count(self, result: str) -> None:
        self._faults.labels(result).inc()
