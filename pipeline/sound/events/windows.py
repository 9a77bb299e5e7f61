"""Cuts a stream into windows of a second that overlap by half."""

from collections.abc import Iterator

import numpy as np

from pipeline.audio.resample import EMPTY, Samples
from pipeline.messages import SAMPLE_RATE

WINDOW = SAMPLE_RATE
"""Samples of a window: one second."""
HOP = WINDOW // 2
"""Samples from one window to the next: half a second."""


class Windows:
    """The windows of a stream that begins at `start`, in 16 kHz samples since 1970 UTC.

    They end at multiples of HOP since 1970. So audio that is read again has the same windows. What lies before `start`
    is silence.
    """

    def __init__(self, start: int) -> None:
        lead = start % HOP
        self._end = start - lead
        """End of the last window."""
        self._window = np.zeros(WINDOW, np.float32)
        self._rest: Samples = np.zeros(lead, np.float32)
        """The samples after the last window."""

    def push(self, samples: Samples) -> Iterator[tuple[int, Samples]]:
        """Yield the end of each window that `samples`, shape (samples,), complete, and the window, shape (WINDOW,)."""
        waiting = np.concatenate([self._rest, samples])
        hops, self._rest = np.split(waiting, [waiting.size // HOP * HOP])
        for hop in hops.reshape(-1, HOP):
            self._window = np.concatenate([self._window[HOP:], hop])
            self._end += HOP
            yield self._end, self._window

    def flush(self) -> Iterator[tuple[int, Samples]]:
        """Yield the last window, filled up with silence. Do not use the windows afterwards."""
        missing = -self._rest.size % HOP
        yield from self.push(np.zeros(missing, np.float32) if missing else EMPTY)
