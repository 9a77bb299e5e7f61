"""Music or singing, against speech and other sounds: a small network over the levels of three seconds.

`python -m training.sound` makes the model (docs/sound-events.md). model/README.md is its model card.
"""

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime

from pipeline.audio.resample import Samples
from pipeline.sound.events.mel import FRAME, STEP, Levels, levels
from pipeline.sound.events.windows import HOP

MODEL = Path(__file__).parent / "model" / "music.onnx"
"""Input `levels`, shape (batch, CONTEXT, BANDS), as `centred` returns them; output `score`, shape (batch,), 0 to 1."""
CONTEXT = 192
"""Frames of the input: three seconds."""
QUIETEST = 1e-6
"""Mean square of the quietest hop that is heard: -60 dB of full scale."""


class Music:
    """Scores the last three seconds. What lies before the stream is silence. In a quiet window, nothing is heard."""

    def __init__(self) -> None:
        self._levels = levels(np.zeros(CONTEXT * STEP + FRAME - STEP, np.float32))

    def score(self, window: Samples) -> float:
        fresh = levels(window[-HOP - FRAME + STEP :])
        self._levels = np.concatenate([self._levels, fresh])[-CONTEXT:]
        if float(np.square(window[-HOP:]).mean()) < QUIETEST:
            return 0.0
        [scores] = _session().run(["score"], {"levels": centred(self._levels)[None]})
        return float(scores[0])


def centred(context: Levels) -> Levels:
    """The levels without their mean, so that the volume hardly matters."""
    found: Levels = context - context.mean()
    return found


@cache
def _session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
