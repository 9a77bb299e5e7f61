"""The peaks of a spectrogram: what is louder than all around it stays the loudest through codecs, noise and talk."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.sound.fingerprints.spectrum import BANDS, FLOOR, SILENCE, Levels

TIME_REACH = 4
"""A peak is the loudest of this many frames before and after it (0.13 s),"""
BAND_REACH = 6
"""and of this many bands below and above it (a sixth of an octave)."""


class Peaks(NamedTuple):
    """Peaks by time, then by frequency."""

    frames: NDArray[np.int64]
    """Shape (peaks,)."""
    bands: NDArray[np.float64]
    """Shape (peaks,): the band, with the fraction that its neighbours' levels give."""


NO_PEAKS = Peaks(np.empty(0, np.int64), np.empty(0, np.float64))


class PeakPicker:
    """Gives the peaks of a stream of levels, TIME_REACH frames late."""

    def __init__(self) -> None:
        self._held = _silence()
        self._first = 0

    @property
    def done(self) -> int:
        """The number of frames whose peaks are given."""
        return self._first

    def push(self, levels: Levels) -> Peaks:
        """The peaks that the next levels, shape (frames, BANDS), decide."""
        joined = np.concatenate([self._held, levels])
        count = len(joined) - 2 * TIME_REACH
        if count <= 0:
            self._held = joined
            return NO_PEAKS
        found = _peaks(joined) if joined.max() > FLOOR else NO_PEAKS
        found.frames[:] += self._first
        self._first += count
        self._held = joined[count:].copy()
        return found

    def flush(self) -> Peaks:
        """The peaks of the last frames. Do not use the picker afterwards."""
        return self.push(_silence())


def _silence() -> Levels:
    return np.full((TIME_REACH, BANDS), SILENCE, np.float32)


def _peaks(levels: Levels) -> Peaks:
    """The peaks of all frames but the first and the last TIME_REACH."""
    inner = levels[TIME_REACH : len(levels) - TIME_REACH]
    highest = _sliding_max(_sliding_max(levels, TIME_REACH).T, BAND_REACH).T
    rises = inner > levels[TIME_REACH - 1 : -TIME_REACH - 1]  # else each frame of a steady tone would have a peak
    middle = slice(BAND_REACH, -BAND_REACH)
    frames, bands = np.nonzero((inner[:, middle] == highest) & rises[:, middle] & (highest > FLOOR))
    bands += BAND_REACH
    before, at, after = (inner[frames, bands + step].astype(np.float64) for step in (-1, 0, 1))
    curve = before - 2 * at + after
    # The vertex of the parabola through the three levels. The curve is 0 where all three are equal.
    fraction = np.where(curve < 0, (before - after) / np.minimum(2 * curve, -1e-9), 0)
    return Peaks(frames.astype(np.int64), bands.astype(np.float64) + fraction)


def _sliding_max(levels: Levels, reach: int) -> Levels:
    """The maximum of `reach` rows before and after each. As many rows are missing at both ends."""
    highest, rows = levels, 1
    while missing := 2 * reach + 1 - rows:
        step = min(rows, missing)
        highest, rows = np.maximum(highest[:-step], highest[step:]), rows + step
    return highest
