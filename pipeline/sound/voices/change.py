"""Compares the voice that speaks now with the voice that spoke first."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from pipeline.sound.voices.embedding import SIZE

KNOWN = 12
"""Parts of speech from which a voice is known: 20 s."""
FRESH = 4
"""Parts of speech that are compared with the known voice: 6.5 s."""
LIMIT = 0.6
"""Cosine of two voices below which they are different (docs/sound-events.md)."""

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

    def add(self, embedding: Embedding) -> float | None:
        """Take the next part of speech. Return the similarity of the voices if another one speaks.

        Then the other voice is learned, and the one before is forgotten.
        """
        if self._parts < KNOWN:
            self._known = self._known + embedding
            self._parts += 1
            return None
        self._fresh.append(embedding)
        now = np.sum([*self._fresh], axis=0)
        found = similarity(self._known, now)
        if len(self._fresh) < FRESH or found >= LIMIT:
            return None
        self._known, self._parts = now, FRESH
        self._fresh.clear()
        return found


def similarity(one: Embedding, other: Embedding) -> float:
    """The cosine between two voices, from 0 to 1. A voice is the sum or the mean of embeddings."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths else 0.0
