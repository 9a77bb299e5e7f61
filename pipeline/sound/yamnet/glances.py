"""Scores the windows of a stream with YAMNet, without those that cannot hold a sound.

A window on a whole second is always heard. The window between two of them is heard only if one of the two has a trace
of a sound. So ordinary talk needs little more than half of the time.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pipeline.contract.messages import SAMPLE_RATE, YamnetKind
from pipeline.sound.yamnet.network import SAMPLES, Yamnet
from pipeline.sound.yamnet.rules import RULES
from pipeline.speech.audio.resample import Samples

TRACE = 0.05
"""The least trace of a sound, as a share of its limit. No recording of the side *validate* was lost by it."""
QUIETEST = 1e-6
"""Mean square of the quietest window that is heard: -60 dB of full scale."""

KindScores = Mapping[YamnetKind, float]
"""For each kind of sound, the highest score of its classes."""


class Glances:
    """Scores the windows of one stream, which come each half second."""

    def __init__(self, network: Yamnet, kinds: Sequence[YamnetKind]) -> None:
        self._network = network
        self._kinds = kinds
        self._trace = 0.0
        """The trace in the last window on a whole second."""
        self._between: tuple[int, Samples] | None = None
        """The window after it, and its end."""

    def push(self, windows: Iterator[tuple[int, Samples]]) -> Iterator[tuple[int, KindScores]]:
        """Yield the end and the scores of each window, shape (samples,), in order; zeros if it was not heard.

        The window between two whole seconds waits for the second one.
        """
        for end, window in windows:
            if end % SAMPLE_RATE:
                self._between = end, window
                continue
            scores = self._scores(window)
            trace = max(scores[kind] / RULES[kind].limit for kind in self._kinds)
            yield from self._passed(max(trace, self._trace))
            self._trace = trace
            yield end, scores

    def flush(self) -> Iterator[tuple[int, KindScores]]:
        """Yield the last window if it waits."""
        yield from self._passed(self._trace)

    def _passed(self, trace: float) -> Iterator[tuple[int, KindScores]]:
        if self._between:
            (end, window), self._between = self._between, None
            yield end, self._scores(window) if trace >= TRACE else dict.fromkeys(self._kinds, 0.0)

    def _scores(self, window: Samples) -> KindScores:
        if float(np.square(window).mean()) < QUIETEST:
            return dict.fromkeys(self._kinds, 0.0)
        scores = self._network.scores(window[-SAMPLES:])
        return {kind: float(scores[RULES[kind].places].max()) for kind in self._kinds}
