"""How long a chunk takes on average, where some chunks make a model work for many and most make none work."""

import math

REMEMBERED = 60.0
"""Seconds of work after which an earlier batch counts a third of the last one."""


class Pace:
    """The mean time of a chunk over the last batches. It sees that work comes in bursts, as a median cannot."""

    def __init__(self) -> None:
        self._chunks = 0.0
        self._seconds = 0.0

    def add(self, chunks: int, seconds: float) -> float:
        """Take a batch that needed `seconds`. Return the seconds that its chunks would need on average."""
        kept = math.exp(-seconds / REMEMBERED)
        self._chunks = self._chunks * kept + chunks
        self._seconds = self._seconds * kept + seconds
        return self._seconds * chunks / self._chunks if chunks else 0.0
