"""What the judge remembers of speakers, by room: bounded, and with the times of the speech, not of the clock.

`CoolDowns` is the memory of blocks: which speakers were blocked, for which labels, until the cool-down ends.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

MAX_SPEAKERS = 100_000
"""Limit for all rooms together, about 50 MB."""
MAX_IN_ROOM = 1_000
"""Limit for one room."""
LATE_SECONDS = 600.0
"""How long a block is kept after its cool-down. A speaker of another shard of the room may be this much behind."""
MAX_BLOCKS = 32
"""Limit for one speaker. Within a cool-down each block adds a label, or a recording, that was not blocked yet. So there
are at most as many blocks as labels, and recordings need seconds to be heard.
"""


class Dated(Protocol):
    """Something that happened to a speaker."""

    @property
    def speaker(self) -> str: ...

    @property
    def start(self) -> float:
        """UTC seconds."""
        ...


T = TypeVar("T", bound=Dated)


class SpeakerMemory(Generic[T]):
    """The last `most_each` things of each speaker in each room.

    One busy speaker or room cannot push out all others: a room with more than `most_in_room` speakers forgets its own.
    With more than `most` in all rooms, the fullest room forgets the speaker with the oldest thing. Of equally full
    rooms, it is the one in which nothing happened for longest.
    """

    def __init__(self, most: int, most_in_room: int, most_each: int) -> None:
        self._most, self._most_in_room, self._most_each = most, most_in_room, most_each
        self._rooms: OrderedDict[str, OrderedDict[str, deque[T]]] = OrderedDict()
        self._awake: set[str] = set()
        """The rooms in which something happened since the last `sweep`."""
        self.speakers = 0  # counted, because a sum over all rooms for each thing would take long
        """How many speakers are remembered."""

    def of(self, room: str, speaker: str) -> Sequence[T]:
        """Return the things of a speaker, in the order in which they came."""
        return self._rooms[room].get(speaker, ()) if room in self._rooms else ()

    def latest(self, room: str) -> Iterator[tuple[str, Sequence[T]]]:
        """Give the speakers of a room with their things, beginning with the speaker whose last thing came last."""
        return reversed(self._rooms[room].items()) if room in self._rooms else iter(())

    def keep(self, room: str, thing: T) -> None:
        """Remember a thing."""
        speakers = self._rooms.setdefault(room, OrderedDict())
        self._rooms.move_to_end(room)
        self._awake.add(room)
        if thing.speaker not in speakers:
            speakers[thing.speaker] = deque(maxlen=self._most_each)
            self.speakers += 1
        speakers[thing.speaker].append(thing)
        speakers.move_to_end(thing.speaker)
        if len(speakers) > self._most_in_room:
            self._forget(room)
        elif self.speakers > self._most:
            # Of equal rooms, `max` takes the first, in which nothing happened for longest.
            self._forget(max(self._rooms, key=lambda name: len(self._rooms[name])))

    def expire(self, room: str, before: float) -> None:
        """Forget the speakers of a room whose last thing was before this time."""
        while (speakers := self._rooms.get(room)) and next(iter(speakers.values()))[-1].start < before:
            self._forget(room)

    def sweep(self) -> None:
        """Forget the rooms in which nothing happened since the last sweep."""
        for room in self._rooms.keys() - self._awake:
            self.speakers -= len(self._rooms.pop(room))
        self._awake.clear()

    def _forget(self, room: str) -> None:
        """Forget the speaker of this room whose last thing came first."""
        self._rooms[room].popitem(last=False)
        self.speakers -= 1
        if not self._rooms[room]:
            del self._rooms[room]
            self._awake.discard(room)


@dataclass(frozen=True, slots=True)
class Blocked:
    """An utterance or a sound for which the judge suggested a block."""

    speaker: str
    start: float
    labels: frozenset[str]
    """The labels that led to the block; of a sound, its id in the bank."""


class CoolDowns:
    """The blocks of each speaker in each room, until their cool-down ends.

    Times are times of the speech, not of the clock, so a replay gives the same flags as the first run.
    """

    def __init__(self, max_speakers: int = MAX_SPEAKERS, max_in_room: int = MAX_IN_ROOM) -> None:
        self._blocks = SpeakerMemory[Blocked](max_speakers, max_in_room, MAX_BLOCKS)

    @property
    def speakers(self) -> int:
        """How many speakers are remembered."""
        return self._blocks.speakers

    def cooling(self, room: str, speaker: str, start: float, seconds: float) -> frozenset[str]:
        """Labels for which this speaker was blocked in the `seconds` before `start`, excluding `start` itself."""
        blocks = self._blocks.of(room, speaker)
        # `0 <`: an utterance that is delivered a second time must not be cooled by its own block.
        return frozenset().union(*(block.labels for block in blocks if 0 < start - block.start <= seconds))

    def remember(self, room: str, blocked: Blocked, seconds: float) -> None:
        """Keep a block for a cool-down of `seconds` of speech."""
        self._blocks.expire(room, blocked.start - seconds - LATE_SECONDS)
        if seconds > 0:
            self._blocks.keep(room, blocked)
