"""The input of the music model: levels in mel bands, frame by frame.

They are the filter banks of Kaldi (D. Povey et al., "The Kaldi speech recognition toolkit", ASRU 2011) with its usual
settings, because the model was trained with them.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.encode import FULL_SCALE
from pipeline.speech.audio.resample import Samples

FRAME = 400
"""Samples of a frame: 25 ms."""
STEP = 160
"""Samples from one frame to the next: 10 ms."""
BANDS = 80
LOWEST, HIGHEST = 20.0, SAMPLE_RATE / 2
"""Hz."""
EMPHASIS = np.float32(0.97)
"""Share of the sample before that is taken off a sample, so that low frequencies are quieter."""
BINS = 512
"""Samples of the Fourier transform: a frame and zeros."""
TOGETHER = 100
"""Frames that are computed at once. With more, the arrays are so large that new memory takes more time than they do."""
FLOOR = np.float32(np.finfo(np.float32).eps)
"""Least power in a band, in squares of 16-bit samples."""

Levels = NDArray[np.float32]
"""Natural logarithms of power, shape (frames, BANDS)."""


def levels(samples: Samples) -> Levels:
    """The levels of all whole frames of `samples`, shape (samples,), from -1 to 1."""
    frames = np.lib.stride_tricks.sliding_window_view(samples * np.float32(FULL_SCALE), FRAME)[::STEP]
    return np.concatenate([_levels(frames[at : at + TOGETHER]) for at in range(0, len(frames), TOGETHER)])


def _levels(frames: NDArray[np.float32]) -> Levels:
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    window, bands = _tables()
    spectrum = np.fft.rfft((frames - EMPHASIS * before) * window, BINS)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    found: Levels = np.log(np.maximum(power @ bands, FLOOR))
    return found


@cache
def _tables() -> tuple[Samples, Levels]:
    """Povey's window, and the weight of each bin in each band: triangles on the mel scale, shape (bins, BANDS)."""
    lowest, highest = _mel(np.array([LOWEST, HIGHEST])).tolist()
    edges = np.linspace(lowest, highest, BANDS + 2)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    bins = _mel(np.fft.rfftfreq(BINS, 1 / SAMPLE_RATE))[:, None]
    triangles = np.clip(np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)), 0, None)
    return (np.hanning(FRAME) ** 0.85).astype(np.float32), triangles.astype(np.float32)


def _mel(hertz: NDArray[np.floating]) -> NDArray[np.floating]:
    return 1_127 * np.log1p(hertz / 700)
