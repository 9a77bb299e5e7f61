"""Landmarks: pairs of peaks. Two numbers describe each: a hash, and the frame of the first peak.

The hash has the frequency of the first peak, the ratio of both frequencies, and the time between them. A recording that
plays at another speed keeps the ratio, and changes the others little.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.fingerprints.peaks import NO_PEAKS, PeakPicker, Peaks
from pipeline.sound.fingerprints.spectrum import BANDS, PER_OCTAVE, Spectrogram
from pipeline.speech.audio.resample import Samples

ZONE = 60
"""The second peak of a pair comes at most this many frames (1.9 s) after the first,"""
LARGEST_RATIO = PER_OCTAVE
"""and is at most this many bands (an octave) lower or higher."""
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
"""From 0 to one more than there are, so that the hashes before and after one with a time are no other landmarks."""
HASHES = math.ceil(BANDS / COARSE) * RATIOS * TIMES
"""Hashes are whole numbers below this one."""

STORED_PAIRS = 3
"""Pairs of each peak of a banned recording: with the next peaks in the zone."""
HEARD_PAIRS = 8
"""Pairs of each peak of a stream. There are more, because talk adds peaks between those of the recording."""

SLICE = 10 * SAMPLE_RATE
"""Samples that are processed at once, so that memory does not grow with the input."""


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
        return joined([self._paired(self._picker.push(self._spectrogram.push(each)), ZONE) for each in slices])

    def flush(self) -> Landmarks:
        """The landmarks of the last two seconds. Do not use the finder afterwards."""
        return self._paired(self._picker.flush(), 0)

    def _paired(self, found: Peaks, zone: int) -> Landmarks:
        """The landmarks of all peaks that lie at least `zone` frames before the last decided frame."""
        peaks = Peaks(*(np.concatenate(both) for both in zip(self._peaks, found, strict=True)))
        count = int(np.searchsorted(peaks.frames, self._picker.done - zone))
        self._peaks = Peaks(peaks.frames[count:], peaks.bands[count:])
        return _pairs(peaks, count, self._pairs)


def joined(parts: list[Landmarks]) -> Landmarks:
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
    second = np.where(exists, second, 0)
    later, higher = frames[second] - frames[first], bands[second] - bands[first]
    fits = exists & (later > 0) & (later <= ZONE) & (np.abs(higher) <= LARGEST_RATIO)
    fits &= np.cumsum(fits, axis=1) <= most
    at, _ = np.nonzero(fits)
    return Landmarks(_hashes(bands[at], higher[fits], later[fits]), frames[at])


def _hashes(bands: NDArray[np.float64], higher: NDArray[np.float64], later: NDArray[np.int64]) -> NDArray[np.int64]:
    frequency = (bands / COARSE).astype(np.int64)
    ratio = np.rint((higher + LARGEST_RATIO) * FINE).astype(np.int64)
    return (frequency * RATIOS + ratio) * TIMES + later
