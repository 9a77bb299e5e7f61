"""Takes the speech of a stream out of it, in parts of equal length. Pauses and other sounds do not count."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pipeline.audio.resample import Samples
from pipeline.audio.vad import WINDOW, Memory, shared
from pipeline.sound.voices.embedding import PART

WINDOWS = -(-PART // WINDOW)
"""Windows of speech that make a part: 1.6 s."""
SPEECH = 0.5
"""Speech probability from which a window counts."""


class SpeechPart(NamedTuple):
    """A part of speech, shape (PART,). It lies between `start` and `end`, in samples since 1970 UTC."""

    start: int
    end: int
    samples: Samples


class SpeechParts:
    """The parts of speech of a stream that begins at `start`, in 16 kHz samples since 1970 UTC."""

    def __init__(self, start: int) -> None:
        lead = start % WINDOW  # windows end at multiples of their size since 1970, whatever the size of the blocks
        self._at = start - lead
        self._rest: Samples = np.zeros(lead, np.float32)
        self._memory = Memory()
        self._speech: list[tuple[int, Samples]] = []
        """The windows of the next part, with their starts."""

    def push(self, samples: Samples) -> Iterator[SpeechPart]:
        """Yield the parts that `samples`, shape (samples,), complete."""
        waiting = np.concatenate([self._rest, samples])
        whole, self._rest = np.split(waiting, [waiting.size // WINDOW * WINDOW])
        chances = shared().probabilities(whole, self._memory)
        for chance, window in zip(chances, whole.reshape(-1, WINDOW), strict=True):
            if chance >= SPEECH:
                self._speech.append((self._at, window))
            self._at += WINDOW
            if len(self._speech) == WINDOWS:
                yield self._part()

    def _part(self) -> SpeechPart:
        first, last = self._speech[0][0], self._speech[-1][0]
        samples = np.concatenate([window for _, window in self._speech])[:PART]
        self._speech = []
        return SpeechPart(first, last + WINDOW, samples)
