"""How many requests the second reader may get: in a minute and in 24 hours, and of these from one room and speaker."""

from collections import Counter
from collections.abc import Callable
from typing import Literal

from pipeline.settings import ReaderSettings

ROOM_SHARE, SPEAKER_SHARE = 0.25, 0.1
"""The most of both limits that one room and one speaker may use, so that nobody spends the budget of all."""

MINUTE, DAY = 60.0, 86_400.0

Spent = Literal["minute", "day", "room", "speaker"]
"""The limit that is used up: that of all requests, or the share of a room or of a speaker."""


class Window:
    """Counts the requests of a span of `seconds`, at most `most`. A new span begins with the first request after it."""

    def __init__(self, seconds: float, most: int, name: Literal["minute", "day"]) -> None:
        self._seconds = seconds
        self._most = most
        self._of_room = max(1, int(most * ROOM_SHARE))
        self._of_speaker = max(1, int(most * SPEAKER_SHARE))
        self._name: Literal["minute", "day"] = name
        self._began = -seconds
        self._rooms: Counter[str] = Counter()
        self._speakers: Counter[tuple[str, str]] = Counter()

    def spent(self, room: str, speaker: str, now: float) -> Spent | None:
        """Return the limit that is used up at `now` (seconds); None if one more request is possible."""
        if now - self._began >= self._seconds:
            self._began = now
            self._rooms.clear()
            self._speakers.clear()
        if self._rooms.total() >= self._most:
            return self._name
        if self._rooms[room] >= self._of_room:
            return "room"
        return "speaker" if self._speakers[room, speaker] >= self._of_speaker else None

    def add(self, room: str, speaker: str) -> None:
        self._rooms[room] += 1
        self._speakers[room, speaker] += 1


class Budget:
    """Both limits together. `clock` returns seconds that never go back. A restart begins both spans again."""

    def __init__(self, limits: ReaderSettings, clock: Callable[[], float]) -> None:
        self._windows = (
            Window(MINUTE, limits.per_minute, "minute"),
            Window(DAY, limits.per_day, "day"),
        )
        self._clock = clock

    def spent(self, room: str, speaker: str) -> Spent | None:
        """Return the limit that is used up; None if a request of this speaker is possible now."""
        now = self._clock()
        return next((spent for window in self._windows if (spent := window.spent(room, speaker, now))), None)

    def add(self, room: str, speaker: str) -> None:
        """Count a request of this speaker."""
        for window in self._windows:
            window.add(room, speaker)
