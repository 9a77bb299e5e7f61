"""Finds a landmark in all banned recordings at once.

The recordings lie one after the other on one axis of frames. For each hash, the index has the places on this axis.
While any banned recording plays, the places advance as the stream does.
"""

from bisect import bisect_right
from collections.abc import Iterable
from copy import copy
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import InputError
from pipeline.sound.fingerprints.fingerprint import Fingerprint
from pipeline.sound.fingerprints.landmarks import HASHES

GAP = 1_000
"""Frames between two recordings (32 s). No window of a stream spans the gap."""

MAX_PLACES = 2**28
"""Landmarks of all recordings together. They need 4 bytes each, 16 while the index is built, and 9 while it grows."""

COMMON = 2_000
"""A hash with more places is left out: it says little, and it would take long."""


class Places(NamedTuple):
    """The places of some landmarks, one landmark after the other."""

    frames: NDArray[np.uint32]
    """Shape (places,): frames on the axis of all recordings."""
    counts: NDArray[np.int64]
    """Shape (landmarks,): how many places each landmark has."""


class LandmarkIndex:
    """All recordings of a bank, in memory. Raises InputError if they are too many."""

    def __init__(self, fingerprints: Iterable[Fingerprint]) -> None:
        self.ids: tuple[str, ...] = ()
        """The recordings, in the order of the axis."""
        self._begins = [0]
        self._counts = np.zeros(HASHES, np.int64)
        """Shape (hashes,): how many landmarks each hash has. Left-out ones count, too."""
        self._places = np.empty(0, np.uint32)
        self._starts = np.zeros(HASHES + 1, np.int64)
        self._add(fingerprints)

    @property
    def size(self) -> int:
        """The number of landmarks."""
        return int(self._counts.sum())

    def with_more(self, fingerprints: Iterable[Fingerprint]) -> Self:
        """Return an index that has these recordings, too. It copies the places, but sorts only the new ones."""
        made = copy(self)  # shallow: `_add` replaces the arrays, and changes none
        made._begins = [*self._begins]
        made._add(fingerprints)
        return made

    def _add(self, fingerprints: Iterable[Fingerprint]) -> None:
        ids, parts, total = [*self.ids], [np.empty(0, np.int64)], self.size
        for each in fingerprints:
            hashes, frames = each.landmarks
            parts.append((hashes << 32) | (frames + self._begins[-1]))  # both in one number, to be sorted at once
            self._begins.append(self._begins[-1] + int(frames.max(initial=0)) + GAP)
            ids.append(each.id)
            total += hashes.size
            if total > MAX_PLACES or self._begins[-1] >= 2**32:
                raise InputError(f"The bank has more than {MAX_PLACES:,} landmarks", "Remove recordings.")
        self.ids = (*ids,)
        keys = np.concatenate(parts)
        del parts  # keeps the peak of memory low
        keys.sort()
        places = keys.astype(np.uint32)  # the lower half
        counts = np.diff(np.searchsorted(keys, np.arange(HASHES + 1) << 32))
        del keys
        self._counts = self._counts + counts
        self._merge(places, counts)

    def _merge(self, places: NDArray[np.uint32], counts: NDArray[np.int64]) -> None:
        """Add places, `counts` of each hash. New places of a hash come after its present ones, as on the axis."""
        kept = self._counts <= COMMON
        before, more = np.diff(self._starts), counts * kept
        places = places if kept.all() else places[np.repeat(kept, counts)]
        present = self._places if kept[before > 0].all() else self._places[np.repeat(kept, before)]
        before = before * kept
        ends = np.cumsum(before)
        self._places = np.insert(present, np.repeat(ends, more), places) if present.size else places
        # Compressed sparse rows: the places of hash h are `_places[_starts[h]:_starts[h + 1]]`.
        self._starts = np.concatenate([[0], np.cumsum(before + more)])

    def near(self, hashes: NDArray[np.int64]) -> Places:
        """The places of hashes, shape (landmarks,), and of hashes with a frame less or more between the peaks.

        The frames of stream and recording begin at different samples, so a time may differ by a frame. Hashes with more
        than COMMON places are left out.
        """
        # The time is the lowest part of a hash, so a frame less or more is the hash before or after it.
        starts, ends = self._starts[hashes - 1], self._starts[hashes + 2]
        parts = [self._places[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        return Places(np.concatenate([self._places[:0], *parts]), ends - starts)

    def locate(self, place: int) -> tuple[str, int]:
        """The id of the recording at a place, and the frame in the recording."""
        number = bisect_right(self._begins, place) - 1
        return self.ids[number], place - self._begins[number]
