"""What the judge remembers of a room: whom it blocked for what, until the cool-down is over. In memory, bounded."""

from collections import OrderedDict, deque
from dataclasses import dataclass

MAX_SPEAKERS = 100_000
"""In all rooms together, about 50 MB."""
MAX_IN_ROOM = 1_000
"""Speakers of one room: a room with more forgets its own."""
MAX_BLOCKS = 32
"""Of one speaker. In a cool-down each block has a label that was not blocked yet, so there are no more than labels."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """An utterance for which a block was suggested."""

    speaker: str
    start: float
    labels: frozenset[str]


class Context:
    """The blocks of each speaker in a room, until their cool-down is over.

    No speaker and no room can make it forget the others: where there are too many, the fullest room forgets the
    speaker who was blocked longest ago. Times are those of the speech, not of the clock, so that a replay is judged as
    the first run was.
    """

    def __init__(self, max_speakers: int = MAX_SPEAKERS, max_in_room: int = MAX_IN_ROOM) -> None:
        self._max_speakers = max_speakers
        self._max_in_room = max_in_room
        self._rooms: dict[str, OrderedDict[str, deque[Blocked]]] = {}
        self._speakers = 0

    def cooling(self, room: str, speaker: str, start: float, seconds: float) -> frozenset[str]:
        """Labels for which this speaker was blocked in the `seconds` before `start`, that moment itself left out."""
        speakers = self._rooms.get(room)
        blocks = speakers.get(speaker, ()) if speakers else ()
        return frozenset().union(*(block.labels for block in blocks if 0 < start - block.start <= seconds))

    def remember(self, room: str, blocked: Blocked, seconds: float) -> None:
        """Keep a block for a cool-down of `seconds` of speech."""
        self._expire(room, blocked.start - seconds)
        if seconds <= 0:
            return
        speakers = self._rooms.setdefault(room, OrderedDict())
        if blocked.speaker not in speakers:
            speakers[blocked.speaker] = deque(maxlen=MAX_BLOCKS)
            self._speakers += 1
        speakers[blocked.speaker].append(blocked)
        speakers.move_to_end(blocked.speaker)
        if len(speakers) > self._max_in_room:
            self._forget(room)
        elif self._speakers > self._max_speakers:
            self._forget(max(self._rooms, key=lambda name: len(self._rooms[name])))

    def _expire(self, room: str, before: float) -> None:
        while (speakers := self._rooms.get(room)) and next(iter(speakers.values()))[-1].start < before:
            self._forget(room)

    def _forget(self, room: str) -> None:
        """The speaker of this room who was blocked longest ago."""
        self._rooms[room].popitem(last=False)
        self._speakers -= 1
        if not self._rooms[room]:
            del self._rooms[room]
