"""The features of the music model: levels in mel bands, frame by frame."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.audio.resample import Samples
from pipeline.messages import SAMPLE_RATE

FRAME = 512
"""Samples of a frame: 32 ms."""
STEP = 250
"""Samples from one frame to the next: 64 frames are a second, so 32 are half a second."""
BANDS = 48
LOWEST, HIGHEST = 60.0, 7_600.0
"""Hz."""
FLOOR = 1e-8
"""Power below which a band is silent: -80 dB of full scale."""

Levels = NDArray[np.float32]
"""Natural logarithms of power, shape (frames, BANDS)."""


def levels(samples: Samples) -> Levels:
    """The levels of all whole frames of `samples`, shape (samples,)."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::STEP]
    window, bands = _tables()
    spectrum = np.fft.rfft(frames * window)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    found: Levels = np.log(power.astype(np.float32) @ bands + np.float32(FLOOR))
    return found


@cache
def _tables() -> tuple[Samples, Levels]:
    """The window, and the weight of each bin in each band: triangles on the mel scale of O'Shaughnessy (1987)."""
    edges = _hertz(np.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2))
    bins = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)
    # No triangle is narrower than two bins, or it could miss all of them.
    low = np.minimum(edges[:-2], edges[1:-1] - bins[1])
    high = np.maximum(edges[2:], edges[1:-1] + bins[1])
    rising = (bins[:, None] - low) / (edges[1:-1] - low)
    falling = (high - bins[:, None]) / (high - edges[1:-1])
    weights = np.clip(np.minimum(rising, falling), 0, None)
    window = np.hanning(FRAME)
    return (window / window.sum()).astype(np.float32), weights.astype(np.float32)


def _mel(hertz: float) -> float:
    return float(2_595 * np.log10(1 + hertz / 700))


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return 700 * (10 ** (mel / 2_595) - 1)
