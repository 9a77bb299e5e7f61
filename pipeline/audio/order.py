"""Chunks of one speaker into the order of their sequence numbers, waiting a little for what is missing."""

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from prometheus_client import Counter

from pipeline.messages import AudioChunk

REMEMBERED = 128
"""Chunks that were given, and numbers that were given up, which are known when they come again."""


@dataclass(frozen=True, slots=True)
class Ordered:
    chunk: AudioChunk
    arrival: int
    """Counts the chunks from 1, as they came."""
    after_gap: bool = False
    """Chunks before it were given up, or the numbering began anew."""


FAULTS = ("late", "duplicate", "reordered", "gap", "restart", "clock", "resent")


class Reorder:
    """Holds up to `ahead` chunks that come before their turn, then gives the missing one up.

    Faults are counted: `late` (after it was given up) and `duplicate` (same number, time and size) are dropped;
    `reordered` filled a hole in time; `gap` is a hole; `restart` is a smaller number at another time: the app began to
    count anew. Its clock may have been set back meanwhile, so that the time may be an earlier one, too.
    """

    def __init__(self, ahead: int, faults: Counter) -> None:
        self._ahead = ahead
        self._faults = faults
        self._expected: int | None = None
        self._waiting: dict[int, Ordered] = {}
        self._given: deque[tuple[int, float, int]] = deque(maxlen=REMEMBERED)
        """Number, start and bytes. A new connection that sends audio again may gather other frames in a chunk."""
        self._given_up: deque[int] = deque(maxlen=REMEMBERED)
        self.arrived = 0
        """Chunks so far."""

    @property
    def waiting(self) -> Collection[Ordered]:
        """Those whose turn has not come."""
        return self._waiting.values()

    def push(self, chunk: AudioChunk) -> Iterator[Ordered]:
        """The chunks whose turn it is now that `chunk` has come."""
        self.arrived += 1
        if self._expected is None:
            self._expected = chunk.sequence
        if chunk.sequence < self._expected:
            yield from self._behind(chunk)
        elif chunk.sequence in self._waiting:
            self._count("duplicate")
        else:
            if self._waiting and chunk.sequence < max(self._waiting):
                self._count("reordered")
            self._waiting[chunk.sequence] = Ordered(chunk, self.arrived)
            yield from self._in_turn()
            if chunk.final:
                yield from self.flush()
            elif len(self._waiting) > self._ahead:
                yield from self._skip()
        self._drop_strays()

    def flush(self) -> Iterator[Ordered]:
        """Everything that waits, with its gaps: nothing more will come."""
        while self._waiting:
            yield from self._skip()

    def _behind(self, chunk: AudioChunk) -> Iterator[Ordered]:
        if chunk.sequence in self._given_up or self._precedes_first(chunk):
            self._count("late")
        elif _identity(chunk) in self._given:
            self._count("duplicate")
        else:
            yield from self.flush()
            self._count("restart")
            self._given_up.clear()
            yield self._give(Ordered(chunk, self.arrived, after_gap=True))

    def _precedes_first(self, chunk: AudioChunk) -> bool:
        """Whether it changed places with the first that came, and is of no other session."""
        first, start, _ = self._given[0]
        near = first - self._ahead <= chunk.sequence < first
        return near and chunk.start <= start and len(self._given) <= self._ahead

    def _skip(self) -> Iterator[Ordered]:
        """Give up what is missing before the first that waits."""
        first = min(self._waiting)
        if gap := first != self._expected:
            self._count("gap")
            self._given_up.extend(range(max(self._expected or 0, first - REMEMBERED), first))
        yield self._give(replace(self._waiting.pop(first), after_gap=gap))
        yield from self._in_turn()

    def _in_turn(self) -> Iterator[Ordered]:
        while self._expected in self._waiting:
            yield self._give(self._waiting.pop(self._expected))

    def _give(self, ordered: Ordered) -> Ordered:
        self._expected = ordered.chunk.sequence + 1
        self._given.append(_identity(ordered.chunk))
        return ordered

    def _drop_strays(self) -> None:
        """What waits while the numbers go on far below is of a session that has ended; it would wait for ever."""
        oldest = self.arrived - 2 * (self._ahead + 1)
        for stray in [number for number, each in self._waiting.items() if each.arrival < oldest]:
            del self._waiting[stray]
            self._count("late")

    def _count(self, result: str) -> None:
        self._faults.labels(result).inc()


def _identity(chunk: AudioChunk) -> tuple[int, float, int]:
    return chunk.sequence, chunk.start, len(chunk.data)
