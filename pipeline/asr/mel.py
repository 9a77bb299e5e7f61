"""Whisper's log-mel spectrogram, in NumPy: a clip of 5 s takes a millisecond, and PyTorch is not needed."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.asr.transcriber import Samples
from pipeline.errors import DependencyError

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
    """Shape (bands, 201), from the package openai-whisper, found without running it."""
    spec = find_spec("whisper")
    if spec is None or spec.origin is None:
        raise DependencyError("The package openai-whisper is not installed", "pip install openai-whisper")
    with np.load(Path(spec.origin).parent / "assets" / "mel_filters.npz") as filters:
        return np.asarray(filters[f"mel_{bands}"], np.float64)
