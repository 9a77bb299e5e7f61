"""Remembers the chunks in which the audio of a stream came, to find the chunks that are still needed."""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChunkMark:
    """A chunk without its audio."""

    end: int
    """End of its audio in 16 kHz samples since 1970 UTC."""
    arrival: int
    """Number of the chunk in order of arrival."""
    start: float
    """The chunk's own `start` in UTC seconds."""


class ChunkMarks:
    """Marks of chunks in the order of their audio. The chunks may have arrived in another order."""

    def __init__(self) -> None:
        self._marks: deque[ChunkMark] = deque()

    def add(self, mark: ChunkMark) -> None:
        """Add the mark of the next chunk in the stream."""
        while self._marks and self._marks[-1].arrival > mark.arrival:
            self._marks.pop()  # if that chunk is needed, this one is too, and this one arrived before it
        self._marks.append(mark)

    def forget(self, until: int) -> None:
        """Drop the marks of audio before sample `until`, which is no longer needed."""
        while self._marks and self._marks[0].end <= until:
            self._marks.popleft()

    def oldest(self, since: int) -> ChunkMark | None:
        """The chunk that arrived first among those with audio after sample `since`. None if there is none."""
        return next((mark for mark in self._marks if mark.end > since), None)

    def clear(self) -> None:
        self._marks.clear()
