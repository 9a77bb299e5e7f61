"""Levels of sound in bands of frequency, frame by frame, from a stream of samples."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.resample import EMPTY, Samples

HOP = 80
"""Samples from one frame to the next: 5 ms."""
WINDOW = 320
"""Samples of a frame: 20 ms."""
FRAMES_PER_SECOND = SAMPLE_RATE // HOP

EDGES = np.unique(np.rint(np.geomspace(200, 7_600, 31) * WINDOW / SAMPLE_RATE).astype(int))
"""Edges of the bands, from 200 to 7,600 Hz, as bins of the transform. A bin is 50 Hz."""
BANDS = len(EDGES)
"""The bands between the edges, and at last the whole spectrum, for pulses of noise."""
FLOOR = -90.0
"""The lowest level in dB of full scale."""

Levels = NDArray[np.float32]
"""Levels in dB, shape (frames, BANDS). A sine of full scale has 0 dB."""

_hann = np.hanning(WINDOW + 1)[:WINDOW].astype(np.float32)
_SINE = float(np.square(_hann.sum() / 2) * 1.5)
"""Power of a sine of full scale over the bins of its peak: a Hann window spreads it over three."""


def _weights() -> NDArray[np.float32]:
    """Which bins belong to which band, shape (bins, BANDS)."""
    weights = np.zeros((WINDOW // 2 + 1, BANDS), np.float32)
    for band, (first, last) in enumerate(pairwise(EDGES)):
        weights[first:last, [band, -1]] = 1 / _SINE
    return weights


_WEIGHTS = _weights()


class BandMeter:
    """Measures a stream. The sizes of its blocks do not change the levels."""

    def __init__(self) -> None:
        self._rest = EMPTY

    def push(self, samples: Samples) -> Levels:
        """The frames that a block, shape (samples,), completes. 16 kHz mono."""
        joined = np.concatenate([self._rest, samples])
        count = max(0, (joined.size - WINDOW) // HOP + 1)
        self._rest = joined[count * HOP :]
        if not count:
            return np.zeros((0, BANDS), np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(joined, WINDOW)[: count * HOP : HOP]
        return _levels(frames * _hann)


def _levels(frames: NDArray[np.float32]) -> Levels:
    spectrum = np.fft.rfft(frames, axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    levels: Levels = 10 * np.log10(np.maximum(power @ _WEIGHTS, np.float32(10 ** (FLOOR / 10))))
    return levels
