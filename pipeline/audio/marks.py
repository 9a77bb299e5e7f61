"""Which chunks the audio of a stream came in, so that those which are still needed can be named."""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChunkMark:
    """A chunk without its audio."""

    end: int
    """Where its audio ends in the stream, in samples."""
    arrival: int
    """Counts the speaker's chunks, as they came."""
    start: float
    """As it states, UTC seconds."""


class ChunkMarks:
    """Of chunks in the order of their audio. Chunks may have come in another order."""

    def __init__(self) -> None:
        self._marks: deque[ChunkMark] = deque()

    def add(self, mark: ChunkMark) -> None:
        """Note a chunk after those before it in the stream."""
        while self._marks and self._marks[-1].arrival > mark.arrival:
            self._marks.pop()  # whoever needs that chunk needs this one, too, which came before it
        self._marks.append(mark)

    def forget(self, until: int) -> None:
        """Audio before sample `until` will not be needed any more."""
        while self._marks and self._marks[0].end <= until:
            self._marks.popleft()

    def oldest(self, since: int) -> ChunkMark | None:
        """The chunk that came first of those with audio after sample `since`."""
        return next((mark for mark in self._marks if mark.end > since), None)

    def clear(self) -> None:
        self._marks.clear()
