"""Compares the voice that speaks now with the voice that spoke first."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from pipeline.sound.voices.voice_embedding import SIZE

KNOWN = 8
"""Parts of speech from which a voice is known: 13 s."""
FRESH = 4
"""Parts of speech that are compared with the known voice: 6.5 s."""
LIMIT = 0.7
"""Cosine of two voices below which they are different. The least similar speech of one person, through one microphone,
had .86. The rest is room for other microphones and moods (docs/sounds.md)."""
SURE = 0.8
"""Cosine of a part of speech and the known voice from which the part surely has this voice."""

Embedding = NDArray[np.float32]
"""Shape (SIZE,)."""


class Voices:
    """The voices of one account, one after the other. It needs 5 kB."""

    def __init__(self) -> None:
        self._known = np.zeros(SIZE, np.float32)
        """Sum of the embeddings of the known voice."""
        self._parts = 0
        """Number of these embeddings."""
        self._fresh: deque[Embedding] = deque(maxlen=FRESH)
        self._lowest = LIMIT
        """The lowest similarity so far, below the limit."""
        self.sure = False
        """Whether the last part surely has the known voice."""

    def add(self, embedding: Embedding) -> float | None:
        """Take the next part of speech. Return the similarity of the voices if another one speaks.

        It is returned when it no longer falls, so that it is that of the other voice alone. Then the voice before is
        forgotten, and the next parts are learned.
        """
        if self._parts < KNOWN:
            self._known = self._known + embedding
            self._parts += 1
            return None
        self.sure = similarity(self._known, embedding) >= SURE
        self._fresh.append(embedding)
        if len(self._fresh) < FRESH:
            return None
        now = similarity(self._known, np.sum([*self._fresh], axis=0))
        if now < self._lowest:
            self._lowest = now
            return None
        return self.flush()

    def flush(self) -> float | None:
        """The speech ends for now: return the similarity if another voice speaks."""
        lowest = self._lowest
        if lowest == LIMIT:
            return None
        self._known, self._parts, self._lowest, self.sure = np.zeros(SIZE, np.float32), 0, LIMIT, False
        self._fresh.clear()
        return lowest


def similarity(one: Embedding, other: Embedding) -> float:
    """The cosine between two voices, from 0 to 1. A voice is the sum or the mean of embeddings."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths else 0.0
