"""Takes the speech of a stream out of it, in parts of equal length. Pauses and other sounds do not count.

The model that tells speech costs most. So it rests where little can be missed: in the block after one without speech,
and when the listener asks for it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.sound.voices.voice_embedding import PART
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.vad import WINDOW, Memory, shared

WINDOWS = -(-PART // WINDOW)
"""Windows of speech that make a part: 1.6 s."""
SPEECH = 0.5
"""Speech probability from which a window counts."""
QUIETEST = 1e-6
"""Mean square of the quietest window that may be speech: -60 dB of full scale."""
BLOCK = 16 * WINDOW
"""Samples that the model for speech takes at once: half a second, which costs half as much as window by window."""
REST = 3
"""Blocks of a rest that the listener asks for: about the speech of a part."""


class SpeechPart(NamedTuple):
    """A part of speech, shape (PART,). It lies between `start` and `end`, in samples since 1970 UTC."""

    start: int
    end: int
    samples: Samples


class SpeechParts:
    """The parts of speech of a stream that begins at `start`, in 16 kHz samples since 1970 UTC."""

    def __init__(self, start: int) -> None:
        lead = start % BLOCK  # blocks end at multiples of their size since 1970, whatever the size of the pieces
        self._at = start - lead
        self._rest: Samples = np.zeros(lead, np.float32)
        self._memory = Memory()
        self._resting = 0
        """Blocks that are not heard from now on."""
        self._speech: list[tuple[int, Samples]] = []
        """The windows of the next part, with their starts."""

    def rest(self) -> None:
        """Leave out the audio after the last part, for about as long as a part."""
        self._resting = REST

    def push(self, samples: Samples) -> Iterator[SpeechPart]:
        """Yield the parts that `samples`, shape (samples,), complete."""
        waiting = np.concatenate([self._rest, samples])
        whole, self._rest = np.split(waiting, [waiting.size // BLOCK * BLOCK])
        for block in whole.reshape(-1, BLOCK):
            if self._resting:
                self._resting -= 1
                self._memory = Memory()
            else:
                yield from self._hear(block)
            self._at += BLOCK

    def _hear(self, block: Samples) -> Iterator[SpeechPart]:
        spoken = self._chances(block) >= SPEECH
        self._resting = int(not spoken.any())
        for number in np.flatnonzero(spoken).tolist():
            begin = number * WINDOW
            self._speech.append((self._at + begin, block[begin : begin + WINDOW]))
            if len(self._speech) == WINDOWS:
                yield self._part()
                if self._resting:
                    return

    def _chances(self, block: Samples) -> NDArray[np.float32]:
        """The speech probability of each window of a block. The model does not hear a block without a loud window."""
        windows = block.reshape(-1, WINDOW)
        if np.square(windows).mean(axis=1).max() < QUIETEST:
            self._memory = Memory()
            return np.zeros(len(windows), np.float32)
        return shared().probabilities(block, self._memory)

    def _part(self) -> SpeechPart:
        first, last = self._speech[0][0], self._speech[-1][0]
        samples = np.concatenate([window for _, window in self._speech])[:PART]
        self._speech = []
        return SpeechPart(first, last + WINDOW, samples)
