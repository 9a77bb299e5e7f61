"""Finds a landmark in all banned recordings at once.

The recordings lie one after the other on one axis of frames. For each hash, the index has the places on this axis.
While a banned recording plays, the places advance as the stream does, whichever recording it is.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.sound.fingerprints.fingerprint import Fingerprint
from pipeline.sound.fingerprints.landmarks import HASHES

GAP = 1_000
"""Frames between two recordings (32 s). No window of a stream spans the gap."""

MAX_PLACES = 2**28
"""Landmarks of all recordings together. They need 4 bytes each, and 16 while the index is built."""

COMMON = 2_000
"""A hash with more places is left out: it says little, and it would take long."""


class Places(NamedTuple):
    """Places of some landmarks, those of one landmark after those of another."""

    frames: NDArray[np.uint32]
    """Shape (places,): frames on the axis of all recordings."""
    counts: NDArray[np.int64]
    """Shape (landmarks,): how many places each landmark has."""


class LandmarkIndex:
    """All recordings of a bank, in memory. Raises InputError if they are too many."""

    def __init__(self, fingerprints: Iterable[Fingerprint]) -> None:
        self._ids: list[str] = []
        begins, parts, total = [0], [np.empty(0, np.int64)], 0
        for each in fingerprints:
            hashes, frames = each.landmarks
            parts.append((hashes << 32) | (frames + begins[-1]))  # hash and place in one number, to be sorted at once
            begins.append(begins[-1] + int(frames.max(initial=0)) + GAP)
            self._ids.append(each.id)
            total += hashes.size
            if total > MAX_PLACES or begins[-1] >= 2**32:
                raise InputError(f"The bank has more than {MAX_PLACES:,} landmarks", "Remove recordings.")
        self.size = total
        """The number of landmarks."""
        keys = np.concatenate(parts)
        del parts
        keys.sort()
        self._begins = np.array(begins)
        places = keys.astype(np.uint32)  # the lower half
        starts = np.searchsorted(keys, np.arange(HASHES + 1) << 32)
        del keys
        counts = np.diff(starts)
        kept = counts <= COMMON
        self._places = places if kept.all() else places[np.repeat(kept, counts)]
        self._starts = np.concatenate([[0], np.cumsum(counts * kept)])

    def near(self, hashes: NDArray[np.int64]) -> Places:
        """The places of hashes, shape (landmarks,), and of those with a frame less or more between the peaks.

        The frames of a stream begin at other samples than those of the recording, so a time may differ by a frame.
        Hashes with more than COMMON places are left out.
        """
        starts, ends = self._starts[hashes - 1], self._starts[hashes + 2]
        parts = [self._places[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        return Places(np.concatenate([self._places[:0], *parts]), ends - starts)

    def locate(self, place: int) -> tuple[str, int]:
        """The id of the recording at a place, and the frame in the recording."""
        number = int(np.searchsorted(self._begins, place, side="right")) - 1
        return self._ids[number], place - int(self._begins[number])
