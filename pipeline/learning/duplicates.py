"""Finds near-duplicates by MinHash over character shingles (Broder 1997)."""

import re
import zlib
from collections.abc import Iterable

import numpy as np

SHINGLE = 4
BANDS, ROWS = 6, 4
"""Two texts are near-duplicates if all hashes of one band agree. This is true for half of the pairs with a Jaccard
similarity of 0.57.
"""

PRIME = np.uint64(2**31 - 1)
RANDOM = np.random.default_rng(20260101)
FACTORS = RANDOM.integers(1, int(PRIME), BANDS * ROWS, dtype=np.uint64)
OFFSETS = RANDOM.integers(0, int(PRIME), BANDS * ROWS, dtype=np.uint64)
NOT_LETTERS = re.compile(r"[\W_]+")


class Seen:
    """Remembers texts and finds near-duplicates of them."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.keys: set[tuple[int, bytes]] = set()
        """The band keys of all texts."""
        for text in texts:
            self.add(text)

    def add(self, text: str) -> bool:
        """Add `text`; True if it, or a near-duplicate, was already there."""
        keys = bands(text)
        known = not self.keys.isdisjoint(keys)
        self.keys.update(keys)
        return known

    def __contains__(self, text: str) -> bool:
        return bool(self.keys) and not self.keys.isdisjoint(bands(text))


def bands(text: str) -> list[tuple[int, bytes]]:
    """The `BANDS` keys of a text. Two texts that share one are near-duplicates."""
    letters = NOT_LETTERS.sub("", text.lower())
    shingles = {letters[at : at + SHINGLE] for at in range(max(1, len(letters) - SHINGLE + 1))}
    hashes = np.array([zlib.crc32(shingle.encode()) for shingle in shingles], np.uint64) % PRIME
    minima = ((hashes[:, None] * FACTORS + OFFSETS) % PRIME).min(axis=0).astype(np.uint32)
    return [(band, minima[band * ROWS : (band + 1) * ROWS].tobytes()) for band in range(BANDS)]
