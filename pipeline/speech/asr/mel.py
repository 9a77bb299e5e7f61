"""Whisper's log-mel spectrogram in NumPy, without PyTorch. A clip of 5 s takes one millisecond."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import WeightsMissing
from pipeline.base.libraries import data_file
from pipeline.speech.asr.transcriber import Samples

Mel = NDArray[np.float32]
"""Log-mel spectrogram, shape (bands, frames), one frame per 10 ms. It is scaled for Whisper, to about -1.5 to 1.5."""

FRAMES_PER_SECOND = 100
HOP = 160
WINDOW = 400
RANGE = 8.0
"""Dynamic range in powers of ten. Bins that are further below the clip's loudest bin are raised to this floor."""


def log_mel(samples: Samples, bands: int) -> Mel:
    """The log-mel spectrogram of one clip, shape (samples,), with `bands` bands. The clip's loudest bin sets the floor.

    It is computed in float64. In float32 the last bit depends on the number of BLAS threads, and with 8-bit weights
    that can change the confidence by half a point. Source: `whisper/audio.py` of openai-whisper.
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
    """The mel filters, shape (bands, 201), from a file of the package openai-whisper.

    Raises WeightsMissing if the package is not installed. Its dependencies are not needed.
    """
    file = data_file("openai-whisper", "whisper/assets/mel_filters.npz")
    if file is None:
        raise WeightsMissing(
            "The package openai-whisper is not installed", "Install it: pip install --no-deps openai-whisper"
        )
    with np.load(file) as filters:
        return np.asarray(filters[f"mel_{bands}"], np.float64)
