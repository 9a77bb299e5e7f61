"""A spectrogram with a logarithmic frequency axis, from a stream of samples."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.resample import EMPTY, Samples

WINDOW = 2_048
"""Samples of a frame: 128 ms, so that neighbouring tones of a low chord are two peaks."""
HOP = 512
"""Samples from one frame to the next: 32 ms."""
FRAME_SECONDS = HOP / SAMPLE_RATE

LOWEST = 250.0
"""Hz. Small loudspeakers and telephones play little below it."""
PER_OCTAVE = 36
"""Bands in an octave. On this axis, a recording that plays faster is only shifted: 1% is half a band."""
BANDS = 4 * PER_OCTAVE
"""Four octaves, up to 4 kHz. Codecs at low bit rates keep little above it."""

SILENCE = -120.0
"""The lowest level in decibels."""
FLOOR = -75.0
"""Quieter peaks, in decibels, are noise of the recording. No band is louder than the largest sample."""

Levels = NDArray[np.float32]
"""Decibels below full scale, shape (frames, BANDS)."""


class Spectrogram:
    """Gives the levels of each frame as soon as its last sample has come. Frame n begins at sample n * HOP."""

    def __init__(self) -> None:
        self._held = EMPTY

    def push(self, samples: Samples) -> Levels:
        """The levels of the frames that `samples`, shape (samples,), complete."""
        joined = np.concatenate([self._held, samples])
        count = max(0, (joined.size - WINDOW) // HOP + 1)
        self._held = joined[count * HOP :].copy()
        if not count or np.abs(joined).max() < 10 ** (FLOOR / 20):  # silence needs no transform
            return np.full((count, BANDS), SILENCE, np.float32)
        return _levels(np.lib.stride_tricks.sliding_window_view(joined, WINDOW)[::HOP])


def _levels(frames: Samples) -> Levels:
    """The levels of frames of shape (frames, WINDOW)."""
    window, bands = _tables()
    spectrum = np.fft.rfft(frames * window)[:, : len(bands)]
    power = (np.square(spectrum.real) + np.square(spectrum.imag)) @ bands
    # The sum avoids the logarithm of 0.
    levels: Levels = 10 * np.log10(power + np.float32(10 ** (SILENCE / 10)))
    return levels


@cache
def _tables() -> tuple[Samples, Levels]:
    """The window, and the weight of each bin of the Fourier transform in each band: triangles of one bin or more.

    The bins above the highest band are left out.
    """
    bins = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    edges = LOWEST * 2 ** (np.arange(-1, BANDS + 1) / PER_OCTAVE)
    middle = edges[1:-1]
    # The lowest bands are narrower than a bin. A triangle must reach the next bin, or it could miss all bins.
    low, high = np.minimum(edges[:-2], middle - bins[1]), np.maximum(edges[2:], middle + bins[1])
    rising, falling = (bins[:, None] - low) / (middle - low), (high - bins[:, None]) / (high - middle)
    weights = np.clip(np.minimum(rising, falling), 0, None)
    weights = weights[: int(np.flatnonzero(weights.any(axis=1))[-1]) + 1]
    window = np.hanning(WINDOW)
    return (window / window.sum()).astype(np.float32), (weights / weights.sum(axis=0)).astype(np.float32)
