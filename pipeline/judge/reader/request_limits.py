"""When the second reader may get a request: a budget for a minute and for 24 hours, and a circuit breaker.

A part of the budget is the most for one room and for one speaker. The breaker opens after some failures in a row: the
endpoint then gets no requests for a while.
"""

import math
from collections import Counter
from collections.abc import Callable
from typing import Literal

from pipeline.settings import ReaderSettings

ROOM_SHARE, SPEAKER_SHARE = 0.25, 0.1
"""The most of both limits that one room and one speaker may use, so that nobody spends the budget of all."""

MINUTE, DAY = 60.0, 86_400.0

Spent = Literal["minute", "day", "room", "speaker"]
"""The limit that is used up: of all requests, or the share of a room or of a speaker."""
FAILURES = 3
"""Failures in a row that open the breaker."""
FIRST_PAUSE_SECONDS = 10.0
"""Each pause is twice as long as the one before, until a request succeeds."""
LONGEST_PAUSE_SECONDS = 300.0


class RequestWindow:
    """Counts the requests of a span of `seconds`, at most `most`. A new span begins with the first request after it."""

    def __init__(self, seconds: float, most: int, name: Literal["minute", "day"]) -> None:
        self._seconds = seconds
        self._most = most
        self._of_room = max(1, int(most * ROOM_SHARE))
        self._of_speaker = max(1, int(most * SPEAKER_SHARE))
        self._name: Literal["minute", "day"] = name
        self._began = -seconds  # the first request begins a span
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
            RequestWindow(MINUTE, limits.per_minute, "minute"),
            RequestWindow(DAY, limits.per_day, "day"),
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


class CircuitBreaker:
    """Says whether a request may be sent. After a pause, one request is sent to try. `clock` never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._pause = FIRST_PAUSE_SECONDS
        self._until = -math.inf
        self._open = self._trying = False

    @property
    def is_open(self) -> bool:
        """Whether requests wait, for a pause or for the result of one that tries."""
        return self._open

    def allows(self) -> bool:
        """Whether a request may be sent now. Then call `succeeded` or `failed` with its result."""
        if not self._open:
            return True
        if self._trying or self._clock() < self._until:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        if not self._open or self._trying:  # a request from before the pause changes nothing
            self._failures, self._pause = 0, FIRST_PAUSE_SECONDS
            self._open = self._trying = False

    def failed(self, wait: float = 0.0) -> None:
        """The endpoint did not answer, or asked for a pause of `wait` seconds."""
        now = self._clock()
        self._failures += 1
        # A request from before the pause does not make it longer.
        if self._trying or not self._open:
            if self._failures < FAILURES and not wait:
                return
            self._open, self._trying = True, False
            self._until = now + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        # An endpoint must not be able to switch the reader off for days.
        self._until = max(self._until, now + min(wait, LONGEST_PAUSE_SECONDS))
