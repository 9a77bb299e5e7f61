"""A bounded memory of things that happened to speakers, by room. Times are those of the speech, not of the clock."""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar


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
        self.speakers = 0
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
