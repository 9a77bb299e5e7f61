"""Whisper's log-mel spectrogram, in NumPy: a clip of 5 s takes a millisecond, and PyTorch is not needed."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.asr.transcriber import Samples
from pipeline.errors import WeightsMissing
from pipeline.packages import data_file

Mel = NDArray[np.float32]
"""Log-mel spectrogram, shape (bands, frames), a frame each 10 ms; scaled as Whisper wants it, about -1.5 to 1.5."""

FRAMES_PER_SECOND = 100
HOP = 160
WINDOW = 400
RANGE = 8.0
"""What is so many powers of ten below the clip's loudest bin counts as its floor."""


def log_mel(samples: Samples, bands: int) -> Mel:
    """Of one clip alone, since its loudest bin sets the floor. Source: `whisper/audio.py` of openai-whisper.

    In float64: a last bit of float32 is another with each number of BLAS threads, and 8-bit weights make it half a
    point of confidence.
    """
    half = WINDOW // 2
    padded = np.pad(np.pad(samples, (0, WINDOW)), half, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][: max(1, len(samples) // HOP)]
    spectrum = np.fft.rfft(frames * _hann())
    power = spectrum.real**2 + spectrum.imag**2
    logarithm = np.log10(np.maximum(_filters(bands) @ power.T, 1e-10))
    scaled: Mel = ((np.maximum(logarithm, logarithm.max() - RANGE) + 4) / 4).astype(np.float32)
    return scaled


@cache
def _hann() -> NDArray[np.float64]:
    return np.hanning(WINDOW + 1)[:-1]


@cache
def _filters(bands: int) -> NDArray[np.float64]:
    """Shape (bands, 201). Raises WeightsMissing without the package openai-whisper; its dependencies are not needed."""
    file = data_file("openai-whisper", "whisper/assets/mel_filters.npz")
    if file is None:
        raise WeightsMissing("The package openai-whisper is not installed", "pip install --no-deps openai-whisper")
    with np.load(file) as filters:
        return np.asarray(filters[f"mel_{bands}"], np.float64)
