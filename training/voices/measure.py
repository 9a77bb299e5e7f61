"""Listens for voices that are synthesised or converted: a small network over the last two seconds of a stream.

It is no part of the product: docs/synthetic-voices.md says how often it is wrong.
"""

from pathlib import Path

import numpy as np
import onnxruntime

from pipeline.sound.events.windows import HOP
from pipeline.speech.audio.resample import Samples
from training.voices.spectrogram import SIZE, powers, shape

QUIETEST = 1e-6
"""Mean square of the quietest speech: -60 dB of full scale."""
PAUSE = 0.05
"""A hop whose power is below this ratio to that of the two seconds is a pause."""


class VoiceModel:
    """A model that `python -m training.voices` made.

    Its input is `shape`, shape (batch, CONTEXT, BINS); its output `logit`, shape (batch,).
    """

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def logit(self, samples: Samples) -> float:
        """What the network says of two seconds, shape (SIZE,). Higher is more synthetic."""
        [logits] = self._session.run(["logit"], {"shape": shape(powers(samples))[None]})
        return float(logits[0])


class VoiceMeasure:
    """Listens to one stream, half a second at a time. What lies before the stream is silence."""

    def __init__(self, model: VoiceModel) -> None:
        self._model = model
        self._samples = np.zeros(SIZE, np.float32)

    def push(self, hop: Samples) -> float | None:
        """What the network says of the last two seconds. None if `hop`, shape (HOP,), has no speech."""
        self._samples = np.concatenate([self._samples[HOP:], hop])
        loudness = float(np.square(hop).mean())
        if loudness < max(QUIETEST, PAUSE * float(np.square(self._samples).mean())):
            return None
        return self._model.logit(self._samples)
