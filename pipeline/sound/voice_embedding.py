"""Voice embeddings: vectors that are close for the same voice, and apart for different voices.

The model is GE2E (L. Wan, Q. Wang, A. Papir and I. Lopez Moreno, "Generalized end-to-end loss for speaker
verification", ICASSP 2018) as the package Resemblyzer publishes it. voice_model/README.md is its model card.

Its input is the power in 40 bands of the mel scale, frame by frame. The bands are from M. Slaney's Auditory Toolbox
(1998): the scale is linear up to 1 kHz and logarithmic above, and each triangle has the same area. The model was
trained with these bands, frames and level.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.resample import Samples

FRAME = 400
"""Samples of a frame: 25 ms."""
STEP = 160
"""Samples from one frame to the next: 10 ms."""
BANDS = 40
LEVEL = 10 ** (-30 / 20)
"""Root mean square to which the volume is set: 30 dB below full scale."""
QUIETEST = 1e-5
"""Root mean square below which the volume is not raised further."""
LINEAR = 200 / 3
"""Hz of a mel below `BEND`."""
BEND = 1_000.0
"""Hz from which the scale is logarithmic."""
GROWTH = np.log(6.4) / 27
"""Natural logarithm of the ratio of two frequencies that are a mel apart, above `BEND`."""

Powers = NDArray[np.float32]
"""Shape (frames, BANDS)."""
MODEL = Path(__file__).parent / "voice_model" / "voice.onnx"
"""Input `powers`, shape (FRAMES, batch, BANDS); output `embeddings`, shape (batch, SIZE)."""
FRAMES = 160
"""Frames of the input: 1.6 s."""
PART = (FRAMES - 1) * STEP + FRAME
"""Samples that have this many frames."""
SIZE = 256
Embeddings = NDArray[np.float32]
"""Shape (parts, SIZE). Each row has the length 1, and no entry is negative."""


def voice_powers(samples: Samples) -> Powers:
    """The power in each band, for all whole frames of `samples`, shape (samples,). The volume is set to `LEVEL`."""
    frames = np.lib.stride_tricks.sliding_window_view(_levelled(samples), FRAME)[::STEP]
    window, bands = _tables()
    spectrum = np.fft.rfft(frames * window)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    found: Powers = power.astype(np.float32) @ bands
    return found


def _levelled(samples: Samples) -> Samples:
    root = float(np.sqrt(np.square(samples).mean()))
    return samples * np.float32(LEVEL / max(root, QUIETEST))


@cache
def _tables() -> tuple[Samples, Powers]:
    """The Hann window, and the weight of each bin in each band, shape (FRAME // 2 + 1, BANDS)."""
    edges = _hertz(np.linspace(0, _mel(SAMPLE_RATE / 2), BANDS + 2))
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    bins = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)[:, None]
    triangles = np.clip(np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)), 0, None)
    window = np.hanning(FRAME + 1)[:FRAME]
    return window.astype(np.float32), (triangles * 2 / (high - low)).astype(np.float32)


def _mel(hertz: float) -> float:
    """The scale above `BEND`."""
    return float(BEND / LINEAR + np.log(hertz / BEND) / GROWTH)


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = np.maximum(mel - BEND / LINEAR, 0)
    return np.where(above > 0, BEND * np.exp(GROWTH * above), LINEAR * mel)


def embed(parts: Sequence[Samples]) -> Embeddings:
    """The embeddings of parts of speech, each of shape (PART,)."""
    # One call for each part. The layers of 8 bits choose their scales by all parts of a call, so in a batch an
    # embedding would depend on the others.
    found = [_session().run(["embeddings"], {"powers": voice_powers(part)[:, None]})[0] for part in parts]
    return np.concatenate([np.zeros((0, SIZE), np.float32), *found])


@cache
def _session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
