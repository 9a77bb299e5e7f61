"""The features of the model of synthetic voices: the spectrum of a voice, frame by frame, with all its harmonics."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.resample import Samples

FRAME = 512
"""Samples of a frame: 32 ms."""
STEP = SAMPLE_RATE // 100
"""Samples from one frame to the next: 10 ms."""
CONTEXT = 200
"""Frames of an example: two seconds."""
SIZE = (CONTEXT - 1) * STEP + FRAME
"""Samples that CONTEXT frames need."""
BINS = FRAME // 2
"""Bins of 31 Hz. The lowest, which has no sound of a voice, is left out."""
FLOOR = 1e-6
"""Power below which a bin is silent, as a ratio to that of a mean frame: so noise tells little."""

Powers = NDArray[np.float32]
"""Power, shape (frames, BINS)."""
Shape = NDArray[np.float32]
"""Natural logarithms of power, shape (frames, BINS), without the mean of each bin."""


def powers(samples: Samples) -> Powers:
    """The power of all whole frames of `samples`, shape (samples,)."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::STEP]
    spectrum = np.fft.rfft(frames * _window())[:, 1:]
    found: Powers = (np.square(spectrum.real) + np.square(spectrum.imag)).astype(np.float32)
    return found


def shape(power: Powers) -> Shape:
    """The changes of the levels. Neither the volume nor the sound of a microphone or a line counts."""
    mean = np.float32(power.sum(axis=1).mean())
    level = np.log(power / max(mean, np.float32(1e-12)) + np.float32(FLOOR))
    found: Shape = level - level.mean(axis=0)
    return found


@cache
def _window() -> Samples:
    return np.hanning(FRAME).astype(np.float32)
