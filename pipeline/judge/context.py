"""What the judge remembers of a room: bounded, in memory, and no harm if it is lost."""

from collections import OrderedDict, deque
from dataclasses import dataclass

MAX_ROOMS = 10_000


@dataclass(frozen=True, slots=True)
class Blocked:
    """An utterance for which a block was suggested."""

    speaker: str
    start: float
    labels: frozenset[str]


class Context:
    """The last `utterances` blocks of each room; of more than `rooms` rooms, the longest unheard is forgotten.

    Times are those of the speech, not of the clock, so that a replay is judged as the first run was.
    """

    def __init__(self, utterances: int, rooms: int = MAX_ROOMS) -> None:
        self._utterances = utterances
        self._max_rooms = rooms
        self._rooms: OrderedDict[str, deque[Blocked]] = OrderedDict()

    def fresh(self) -> "Context":
        """Another one of the same size, for another policy."""
        return Context(self._utterances, self._max_rooms)

    def cooling(self, room: str, speaker: str, start: float, seconds: float) -> frozenset[str]:
        """Labels for which this speaker was blocked in the `seconds` before `start`, that moment itself left out."""
        blocks = self._rooms.get(room, ())
        recent = (block for block in blocks if block.speaker == speaker and 0 < start - block.start <= seconds)
        return frozenset().union(*(block.labels for block in recent))

    def remember(self, room: str, blocked: Blocked) -> None:
        blocks = self._rooms.setdefault(room, deque(maxlen=self._utterances))
        blocks.append(blocked)
        self._rooms.move_to_end(room)
        if len(self._rooms) > self._max_rooms:
            self._rooms.popitem(last=False)
