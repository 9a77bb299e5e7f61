"""The scores of windows, and which sounds last long enough to be reported."""

from collections import deque
from typing import NamedTuple, Protocol

from pipeline.sound.events.windows import HOP, WINDOW
from pipeline.speech.audio.resample import Samples

HEARD = 0.5
"""A window with at least this score holds the sound."""


class Measure(Protocol):
    """Scores one kind of sound in one stream, window by window."""

    def score(self, window: Samples) -> float:
        """Return the score of the next window, shape (samples,), from 0 to 1. From HEARD on, it holds the sound."""


class Lasting(NamedTuple):
    """A sound that has lasted: start and end in samples since 1970 UTC, and the mean score of its last windows."""

    start: int
    end: int
    score: float


class Persistence:
    """Finds sounds that last: `least` of the last `of` windows hold it (detection of m in n, binary integration).

    The windows have `window` samples, and come every `hop` samples.
    """

    def __init__(self, least: int, of: int, window: int = WINDOW, hop: int = HOP) -> None:
        self._least = least
        self._window, self._hop = window, hop
        self._scores: deque[float] = deque(maxlen=of)
        self._start: int | None = None
        """Start of the sound that lasts."""

    def add(self, end: int, score: float) -> Lasting | None:
        """Take the score of the window that ends at `end`. Return the sound if it lasts now."""
        self._scores.append(score)
        first = end - self._window - (len(self._scores) - 1) * self._hop
        held = [(first + number * self._hop, score) for number, score in enumerate(self._scores) if score >= HEARD]
        if len(held) < self._least:
            self._start = None
            return None
        if self._start is None:
            self._start = held[0][0]
        return Lasting(self._start, held[-1][0] + self._window, sum(score for _, score in held) / len(held))


def above(value: float, limit: float) -> float:
    """The score of a value with a limit: 0.5 at the limit, 0.75 at twice the limit, and towards 1 above it."""
    return max(0.0, 1 - limit / (2 * value)) if value > 0 else 0.0
