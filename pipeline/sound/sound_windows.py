"""Cuts a stream into windows that overlap, and finds sounds that last over several windows."""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.resample import Samples

WINDOW = SAMPLE_RATE
"""Samples of a window: one second."""
HOP = WINDOW // 2
"""Samples from one window to the next: half a second."""
HEARD = 0.5
"""A window with at least this score holds the sound."""


class Windows:
    """The windows of a stream that begins at `start`, in 16 kHz samples since 1970 UTC.

    They have `window` samples, and end at multiples of `hop` since 1970. So audio that is read again has the same
    windows. What lies before `start` is silence.
    """

    def __init__(self, start: int, window: int = WINDOW, hop: int = HOP) -> None:
        self._hop = hop
        lead = start % hop
        self._end = start - lead
        """End of the last window."""
        self._window = np.zeros(window, np.float32)
        self._rest: Samples = np.zeros(lead, np.float32)
        """The samples after the last window."""

    def push(self, samples: Samples) -> Iterator[tuple[int, Samples]]:
        """Yield the end of each window that `samples`, shape (samples,), complete, and the window, shape (window,)."""
        waiting = np.concatenate([self._rest, samples])
        hops, self._rest = np.split(waiting, [waiting.size // self._hop * self._hop])
        for hop in hops.reshape(-1, self._hop):
            # A new array each time, because a `DueWindow` keeps it.
            self._window = np.concatenate([self._window[self._hop :], hop])
            self._end += self._hop
            yield self._end, self._window

    def flush(self) -> Iterator[tuple[int, Samples]]:
        """Yield the last window, filled up with silence. Do not use the windows afterwards."""
        missing = -self._rest.size % self._hop
        yield from self.push(np.zeros(missing, np.float32))


class WindowScorer(Protocol):
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
        if self._start is None:  # a gap does not move the start of a sound that lasts
            self._start = held[0][0]
        return Lasting(self._start, held[-1][0] + self._window, sum(score for _, score in held) / len(held))


def above(value: float, limit: float) -> float:
    """The score of a value with a limit: 0.5 at the limit, 0.75 at twice the limit, and towards 1 above it."""
    return max(0.0, 1 - limit / (2 * value)) if value > 0 else 0.0
