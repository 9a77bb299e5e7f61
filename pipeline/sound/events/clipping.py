"""Clipping: a microphone or an amplifier is driven too hard, and cuts off the peaks of the wave."""

import numpy as np

from pipeline.sound.events.scores import above
from pipeline.speech.audio.resample import Samples

CEILING = 0.985
"""A sample with at least this size, of 1, is cut off."""
LIMIT = 0.02
"""Share of cut samples at which a window is clipped. Mastered music has less, also after a codec."""


class Clipping:
    """Scores the share of samples at full scale."""

    def score(self, window: Samples) -> float:
        return above(float(np.count_nonzero(np.abs(window) >= CEILING)) / window.size, LIMIT)
