"""Cuts a stream into windows that overlap."""

from collections.abc import Iterator

import numpy as np

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.resample import EMPTY, Samples

WINDOW = SAMPLE_RATE
"""Samples of a window: one second."""
HOP = WINDOW // 2
"""Samples from one window to the next: half a second."""


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
            self._window = np.concatenate([self._window[self._hop :], hop])
            self._end += self._hop
            yield self._end, self._window

    def flush(self) -> Iterator[tuple[int, Samples]]:
        """Yield the last window, filled up with silence. Do not use the windows afterwards."""
        missing = -self._rest.size % self._hop
        yield from self.push(np.zeros(missing, np.float32) if missing else EMPTY)
