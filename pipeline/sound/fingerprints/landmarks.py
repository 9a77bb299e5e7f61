"""Landmarks: pairs of peaks of a spectrogram. Two numbers describe each: a hash, and the frame of the first peak.

A peak is louder than all around it, also after codecs, noise and talk. The hash has the frequency of the first peak,
the ratio of both frequencies, and the time between them. A recording that plays at another speed keeps the ratio, and
changes the others little.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.fingerprints.spectrum import BANDS, FLOOR, PER_OCTAVE, SILENCE, Levels, Spectrogram
from pipeline.speech.audio.resample import Samples

TIME_REACH = 4
"""A peak is the loudest of this many frames before and after it (0.13 s)."""
BAND_REACH = 6
"""A peak is the loudest of this many bands below and above it (a sixth of an octave)."""
ZONE = 60
"""The second peak of a pair comes at most this many frames (1.9 s) after the first."""
LARGEST_RATIO = PER_OCTAVE
"""The second peak of a pair is at most this many bands (an octave) lower or higher than the first."""
NEIGHBOURS = 96
"""Peaks after the first that are tried. More do not lie in the zone."""
COARSE = 3.5
"""Bands that count as one frequency of the first peak. It is no whole number of semitones (three bands): else all notes
of a key could lie at the edge of two frequencies, and a little more speed would change all hashes.
"""
FINE = 2
"""Ratios that differ by less than a band over this count as one."""
RATIOS = 2 * LARGEST_RATIO * FINE + 1
TIMES = ZONE + 2
"""Two more than there are. So the hashes before and after a hash have the same frequency and ratio, or no landmark."""
HASHES = math.ceil(BANDS / COARSE) * RATIOS * TIMES
"""Hashes are whole numbers below this one."""
STORED_PAIRS = 3
"""Pairs of each peak of a banned recording: with the next peaks in the zone."""
HEARD_PAIRS = 8
"""Pairs of each peak of a stream. There are more, because talk adds peaks between the peaks of the recording."""
SLICE = 10 * SAMPLE_RATE
"""Samples that are processed at once, so that memory does not grow with the input."""


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
    # Doubling: the maximum of 2n rows is the larger of two maxima of n rows.
    while missing := 2 * reach + 1 - rows:
        step = min(rows, missing)
        highest, rows = np.maximum(highest[:-step], highest[step:]), rows + step
    return highest


class Landmarks(NamedTuple):
    """Landmarks by frame."""

    hashes: NDArray[np.int64]
    """Shape (landmarks,), below HASHES."""
    frames: NDArray[np.int64]
    """Shape (landmarks,): the frame of the first peak. Frames count from the start of the stream."""


NO_LANDMARKS = Landmarks(np.empty(0, np.int64), np.empty(0, np.int64))


class LandmarkFinder:
    """Gives the landmarks of a stream of samples, up to two seconds late. The size of the pieces does not matter."""

    def __init__(self, pairs: int) -> None:
        self._pairs = pairs
        self._spectrogram, self._picker, self._peaks = Spectrogram(), PeakPicker(), NO_PEAKS

    def push(self, samples: Samples) -> Landmarks:
        """The landmarks that the next samples, shape (samples,), complete."""
        slices = [samples[begin : begin + SLICE] for begin in range(0, samples.size, SLICE)]
        return joined_landmarks(
            [self._paired(self._picker.push(self._spectrogram.push(each)), ZONE) for each in slices]
        )

    def flush(self) -> Landmarks:
        """The landmarks of the last two seconds. Do not use the finder afterwards."""
        return self._paired(self._picker.flush(), 0)

    def _paired(self, found: Peaks, zone: int) -> Landmarks:
        """The landmarks of all peaks that lie at least `zone` frames before the last decided frame."""
        peaks = Peaks(*(np.concatenate(both) for both in zip(self._peaks, found, strict=True)))
        count = int(np.searchsorted(peaks.frames, self._picker.done - zone))
        # Later peaks may still make pairs with these.
        self._peaks = Peaks(peaks.frames[count:], peaks.bands[count:])
        return _pairs(peaks, count, self._pairs)


def joined_landmarks(parts: list[Landmarks]) -> Landmarks:
    """All landmarks of the parts, in order."""
    return Landmarks(*(np.concatenate(columns) for columns in zip(NO_LANDMARKS, *parts, strict=True)))


def packed(landmarks: Landmarks) -> bytes:
    """The landmarks as bytes: all hashes, then all frames, 32 bits each, little-endian."""
    return b"".join(part.astype("<u4").tobytes() for part in landmarks)


def unpacked(data: bytes) -> Landmarks:
    """The landmarks that `packed` has turned into bytes."""
    return Landmarks(*np.frombuffer(data, "<u4").astype(np.int64).reshape(2, -1))


def _pairs(peaks: Peaks, count: int, most: int) -> Landmarks:
    """Landmarks of the first `count` peaks, each with the next `most` peaks in its zone."""
    if not count:
        return NO_LANDMARKS
    frames, bands = peaks
    first = np.arange(count)[:, None]
    second = first + np.arange(1, NEIGHBOURS + 1)
    exists = second < frames.size
    second = np.where(exists, second, 0)  # any valid index: `fits` leaves it out
    later, higher = frames[second] - frames[first], bands[second] - bands[first]
    fits = exists & (later > 0) & (later <= ZONE) & (np.abs(higher) <= LARGEST_RATIO)
    fits &= np.cumsum(fits, axis=1) <= most  # the first ones that fit
    at, _ = np.nonzero(fits)
    return Landmarks(_hashes(bands[at], higher[fits], later[fits]), frames[at])


def _hashes(bands: NDArray[np.float64], higher: NDArray[np.float64], later: NDArray[np.int64]) -> NDArray[np.int64]:
    frequency = (bands / COARSE).astype(np.int64)
    ratio = np.rint((higher + LARGEST_RATIO) * FINE).astype(np.int64)
    return (frequency * RATIOS + ratio) * TIMES + later
