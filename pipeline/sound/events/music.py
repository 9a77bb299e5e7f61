"""Music or singing, against speech and other sounds: a network that was trained for it by others.

The network is the audio event detection of FireRedVAD (K. Xu et al., "FireRedASR2S", 2026). `python -m
training.sound.music` makes the model of their weights. model/README.md is its model card.
"""

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.events.music_mel import levels
from pipeline.sound.events.scores import HEARD
from pipeline.speech.audio.resample import Samples

MODEL = Path(__file__).parent / "model" / "music.onnx"
"""Input `levels`, shape (batch, frames, BANDS); output `shares`, shape (batch, frames, SOUNDS), from 0 to 1."""
SOUNDS = ("speech", "singing", "music")
"""What the model hears. They may sound at once."""
WINDOW = 5 * SAMPLE_RATE
"""Samples of a window. In the middle of it, the model hears 1.6 s to both sides."""
GLANCE = 2 * SAMPLE_RATE
"""The last samples of a window. Only if they have music, the whole window is heard: so talk costs less than half."""
QUIETEST = 1e-6
"""Mean square of the quietest window that is heard: -60 dB of full scale."""


class Music:
    """Scores windows of WINDOW samples, each by itself. In a quiet window, nothing is heard."""

    def score(self, window: Samples) -> float:
        if float(np.square(window).mean()) < QUIETEST or _share(window[-GLANCE:]) < HEARD:
            return 0.0
        return _share(window)


def _share(samples: Samples) -> float:
    """How much music or singing there is, from 0 to 1."""
    [shares] = _session().run(["shares"], {"levels": levels(samples)[None]})
    musical = [SOUNDS.index("singing"), SOUNDS.index("music")]
    return float(shares[0][:, musical].max(axis=1).mean())


@cache
def _session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
