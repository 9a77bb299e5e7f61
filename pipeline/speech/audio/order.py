"""Sorts the chunks of one speaker by sequence number, and waits a little for missing chunks."""

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from prometheus_client import Counter

from pipeline.contract.messages import AudioChunk

REMEMBERED = 128
"""Number of returned chunks, and of skipped sequence numbers, that are recognised when they come again."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """A chunk in its turn."""

    chunk: AudioChunk
    arrival: int
    """Number of the chunk in order of arrival, from 1."""
    after_gap: bool = False
    """Chunks before this one are missing, or the app restarted its numbering."""


FAULTS = ("late", "duplicate", "reordered", "gap", "restart", "clock", "resent")
"""Values of the label `result` of `voxwarden_sequence_faults_total`."""


class Reorder:
    """Holds up to `ahead` chunks that come before their turn. Then it skips the missing chunk.

    It counts these faults:
    - `late`: the chunk came after its number was skipped, or after chunks with larger numbers had begun. It is dropped.
    - `duplicate`: a chunk with the same number already waits for its turn. Or one of the last REMEMBERED chunks had the
      same number, start and size. The chunk is dropped.
    - `reordered`: the chunk came late, but in time to fill its gap.
    - `gap`: chunks are missing.
    - `restart`: the number is smaller than expected, and the chunk is neither late nor a duplicate. The app has
      restarted its numbering. The chunk is kept, and counting goes on from its number. Its start may be earlier or
      later than the one before, because the app's clock may have been set back.
    """

    def __init__(self, ahead: int, faults: Counter) -> None:
        self._ahead = ahead
        self._faults = faults
        self._expected: int | None = None
        self._waiting: dict[int, Ordered] = {}
        self._given: deque[tuple[int, float, int]] = deque(maxlen=REMEMBERED)
        """Number, start and size in bytes. The size matters: a new connection may group the same audio differently."""
        self._given_up: deque[int] = deque(maxlen=REMEMBERED)
        self.arrived = 0
        """Number of chunks so far."""

    @property
    def waiting(self) -> Collection[Ordered]:
        """The chunks that wait for a missing chunk before them."""
        return self._waiting.values()

    def push(self, chunk: AudioChunk) -> Iterator[Ordered]:
        """Add `chunk`. Yields the chunks whose turn has come."""
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
        """Yield all waiting chunks in order, and skip the gaps between them."""
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
        """Whether the chunk belongs shortly before the first chunk that came, and not to another session."""
        first, start, _ = self._given[0]
        near = first - self._ahead <= chunk.sequence < first
        return near and chunk.start <= start and len(self._given) <= self._ahead

    def _skip(self) -> Iterator[Ordered]:
        """Skip the missing chunks before the first waiting chunk."""
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
        """Drop chunks that wait while many smaller numbers arrive. They belong to an ended session, and would never
        have their turn."""
        oldest = self.arrived - 2 * (self._ahead + 1)
        for stray in [number for number, each in self._waiting.items() if each.arrival < oldest]:
            del self._waiting[stray]
            self._count("late")

    def _count(self, result: str) -> None:
        self._faults.labels(result).inc()


def _identity(chunk: AudioChunk) -> tuple[int, float, int]:
    return chunk.sequence, chunk.start, len(chunk.data)
