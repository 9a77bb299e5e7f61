"""Voice embeddings: vectors that are close for the same voice, and apart for different voices.

The model is GE2E (L. Wan, Q. Wang, A. Papir and I. Lopez Moreno, "Generalized end-to-end loss for speaker
verification", ICASSP 2018) as the package Resemblyzer publishes it. model/README.md is its model card.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipeline.sound.voices.voice_mel import FRAME, STEP, powers
from pipeline.speech.audio.resample import Samples

MODEL = Path(__file__).parent / "model" / "voice.onnx"
"""Input `powers`, shape (FRAMES, batch, BANDS); output `embeddings`, shape (batch, SIZE)."""
FRAMES = 160
"""Frames of the input: 1.6 s."""
PART = (FRAMES - 1) * STEP + FRAME
"""Samples that have this many frames."""
SIZE = 256

Embeddings = NDArray[np.float32]
"""Shape (parts, SIZE). Each row has the length 1, and no entry is negative."""


def embed(parts: Sequence[Samples]) -> Embeddings:
    """The embeddings of parts of speech, each of shape (PART,).

    Each part has a call of its own: the layers of 8 bits choose their scales by all parts of a call, so an embedding
    would depend on the others.
    """
    found = [_session().run(["embeddings"], {"powers": powers(part)[:, None]})[0] for part in parts]
    return np.concatenate([np.zeros((0, SIZE), np.float32), *found])


@cache
def _session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
