"""The judge's memory of blocks: which speakers it blocked, for which labels, until the cool-down ends. Bounded."""

from collections import OrderedDict, deque
from dataclasses import dataclass

MAX_SPEAKERS = 100_000
"""Limit for all rooms together, about 50 MB."""
MAX_IN_ROOM = 1_000
"""Limit for one room. A room with more speakers forgets its own, oldest block first."""
LATE_SECONDS = 600.0
"""How long a block is kept after its cool-down. A speaker of another shard of the room may be this much behind."""
MAX_BLOCKS = 32
"""Limit for one speaker. Within a cool-down each block adds a label, or a recording, that was not blocked yet. So there
are at most as many blocks as labels, and recordings need seconds to be heard.
"""


@dataclass(frozen=True, slots=True)
class Blocked:
    """An utterance or a sound for which the judge suggested a block."""

    speaker: str
    start: float
    labels: frozenset[str]
    """The labels that led to the block; of a sound, its id in the bank."""


class CoolDowns:
    """The blocks of each speaker in each room, until their cool-down ends.

    One busy speaker or room cannot push out all others: above the limit, the fullest room forgets the speaker with the
    oldest block. Times are those of the speech, not of the clock, so a replay gives the same flags as the first run.
    """

    def __init__(self, max_speakers: int = MAX_SPEAKERS, max_in_room: int = MAX_IN_ROOM) -> None:
        self._max_speakers = max_speakers
        self._max_in_room = max_in_room
        self._rooms: dict[str, OrderedDict[str, deque[Blocked]]] = {}
        self._speakers = 0

    def cooling(self, room: str, speaker: str, start: float, seconds: float) -> frozenset[str]:
        """Labels for which this speaker was blocked in the `seconds` before `start`, excluding `start` itself."""
        speakers = self._rooms.get(room)
        blocks = speakers.get(speaker, ()) if speakers else ()
        return frozenset().union(*(block.labels for block in blocks if 0 < start - block.start <= seconds))

    def remember(self, room: str, blocked: Blocked, seconds: float) -> None:
        """Keep a block for a cool-down of `seconds` of speech."""
        self._expire(room, blocked.start - seconds - LATE_SECONDS)
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
        """Forget the speaker of this room with the oldest block."""
        self._rooms[room].popitem(last=False)
        self._speakers -= 1
        if not self._rooms[room]:
            del self._rooms[room]
