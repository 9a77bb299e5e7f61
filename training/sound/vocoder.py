"""Parts of a channel vocoder (H. Dudley, "Remaking speech", 1939): frames of a spectrum, their sound, a pitch."""

import numpy as np
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.resample import Samples

Wave = NDArray[np.float64]

FRAME = 1_024
STEP = FRAME // 4


def spectra(sound: Wave) -> NDArray[np.complex128]:
    """The spectra of frames of FRAME samples, STEP apart: shape (frames, bins)."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::STEP]
    return np.fft.rfft(frames * np.hanning(FRAME))


def joined(frames: NDArray[np.complex128]) -> Samples:
    """The sound of overlapping frames, with a root mean square of 0.1."""
    sound = np.zeros(len(frames) * STEP + FRAME)
    for number, frame in enumerate(np.fft.irfft(frames) * np.hanning(FRAME)):
        sound[number * STEP : number * STEP + FRAME] += frame
    made: Samples = (0.1 * sound / max(float(np.sqrt(np.square(sound).mean())), 1e-9)).astype(np.float32)
    return made


def harmonics(melody: Wave) -> Wave:
    """All overtones below 7 kHz of a pitch, with equal power: the closed form of their sum (Dirichlet's kernel)."""
    half = np.pi * np.cumsum(melody) / SAMPLE_RATE
    count = np.floor(7_000 / melody)
    below = np.sin(half)
    at_peak = np.abs(below) < 1e-6
    kernel = np.where(at_peak, 2 * count + 1, np.sin((2 * count + 1) * half) / np.where(at_peak, 1, below))
    sound: Wave = (kernel - 1) / np.sqrt(2 * count)
    return sound
