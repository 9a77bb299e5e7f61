"""Finds four pulses in the rhythm short, long, short, short, in the levels of sound in bands of frequency.

A pulse is a run of frames in which one band is above one level. All bands and many levels are searched, so the loudness
of the pulses and of other sounds need not be known.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.resample import EMPTY, Samples

HOP = 80
"""Samples from one frame to the next: 5 ms."""
WINDOW = 320
"""Samples of a frame: 20 ms."""
FRAMES_PER_SECOND = SAMPLE_RATE // HOP

EDGES = np.unique(np.rint(np.geomspace(200, 7_600, 31) * WINDOW / SAMPLE_RATE).astype(int))
"""Edges of the bands, from 200 to 7,600 Hz, as bins of the transform. A bin is 50 Hz."""
BANDS = len(EDGES)
"""The bands between the edges, and at last the whole spectrum, for pulses of noise."""
FLOOR = -90.0
"""The lowest level in dB of full scale."""

Levels = NDArray[np.float32]
"""Levels in dB, shape (frames, BANDS). A sine of full scale has 0 dB."""

_hann = np.hanning(WINDOW + 1)[:WINDOW].astype(np.float32)
_SINE = float(np.square(_hann.sum() / 2) * 1.5)
"""Power of a sine of full scale over the bins of its peak: a Hann window spreads it over three."""
Ints = NDArray[np.int64]
Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
LEVELS = np.arange(-70.0, -5.0, 4.0, dtype=np.float32)
"""Levels in dB that a pulse may exceed. One of them lies between the pulses and the sounds around them."""
SHORT = (6, 90)
"""Frames of the short pulses: 30 to 450 ms."""
LONGEST = 1_000
"""Frames of the whole rhythm: 5 s."""
LONG = (1.8, 5.0)
"""Length of the long pulse in short pulses. In Morse code it is 3."""
GAP = (0.3, 4.5)
"""Length of the gaps in short pulses. In Morse code it is 1, and 3 between the letters A and I."""
MIDDLE_GAP = (0.75, 5.0)
"""Length of the gap between the letters, in other gaps."""
UNEQUAL = 0.25
"""Largest difference of a short pulse from the mean of the three, or of an outer gap from the mean of both."""
SLACK = 2
"""Frames by which each measured length may be wrong."""
QUIET = 2.5
"""Beats around the rhythm without another pulse. A beat is a short pulse and a gap. In Morse code, the letter L has the
same rhythm, but other letters are near it."""
MAX_QUIET = 80
"""More frames without another pulse are never asked for: 0.4 s."""
JITTER = 3
"""Frames by which the start of a pulse differs from one level to the next."""
CRACK = 2
"""Frames of a gap that is closed, because noise crosses a level."""


def _weights() -> NDArray[np.float32]:
    """Which bins belong to which band, shape (bins, BANDS)."""
    weights = np.zeros((WINDOW // 2 + 1, BANDS), np.float32)
    for band, (first, last) in enumerate(pairwise(EDGES)):
        weights[first:last, [band, -1]] = 1 / _SINE
    return weights


_WEIGHTS = _weights()


class BandMeter:
    """Measures a stream. The sizes of its blocks do not change the levels."""

    def __init__(self) -> None:
        self._rest = EMPTY

    def push(self, samples: Samples) -> Levels:
        """The frames that a block, shape (samples,), completes. 16 kHz mono."""
        joined = np.concatenate([self._rest, samples])
        count = max(0, (joined.size - WINDOW) // HOP + 1)
        self._rest = joined[count * HOP :]
        if not count:
            return np.zeros((0, BANDS), np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(joined, WINDOW)[: count * HOP : HOP]
        return _levels(frames * _hann)


def _levels(frames: NDArray[np.float32]) -> Levels:
    spectrum = np.fft.rfft(frames, axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    levels: Levels = 10 * np.log10(np.maximum(power @ _WEIGHTS, np.float32(10 ** (FLOOR / 10))))
    return levels


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of frames above a level. Each array has the shape (runs,), sorted by `row`, then by `start`."""

    row: Ints
    """Number of the band times the number of levels, plus number of the level."""
    start: Ints
    end: Ints
    """The frame after the last one."""

    def only(self, kept: Flags) -> "Runs":
        return Runs(self.row[kept], self.start[kept], self.end[kept])


@dataclass(frozen=True, slots=True)
class Pulses:
    """Rhythms of four pulses."""

    band: Ints
    """Shape (rhythms,)."""
    level: Ints
    """Numbers of LEVELS, shape (rhythms,)."""
    start: Ints
    """Frames, shape (rhythms, 4)."""
    end: Ints

    def only(self, kept: Flags) -> "Pulses":
        return Pulses(self.band[kept], self.level[kept], self.start[kept], self.end[kept])


def runs_of(levels: Levels) -> Runs:
    """All runs in all bands that are long enough for a pulse. `levels` has the shape (frames, bands)."""
    # Shape (bands, levels, frames): each band is compared with each level.
    above = levels.T[:, None, :] > LEVELS[None, :, None]
    # Silence on both sides, because a run may begin with the first frame or end with the last one.
    padded = np.pad(above.reshape(levels.shape[1] * len(LEVELS), len(levels)), ((0, 0), (1, 1)))
    # `nonzero` goes row by row, so the n-th start and the n-th end belong to the same run.
    row, start = np.nonzero(padded[:, 1:] & ~padded[:, :-1])
    _, end = np.nonzero(padded[:, :-1] & ~padded[:, 1:])
    whole = _without_cracks(Runs(row, start, end))
    return whole.only(whole.end - whole.start >= SHORT[0] - SLACK)


def _without_cracks(runs: Runs) -> Runs:
    if not runs.row.size:
        return runs
    # Morphological closing: join runs of one row with a short gap between them.
    apart = (np.diff(runs.row) != 0) | (runs.start[1:] - runs.end[:-1] > CRACK)
    first, last = np.append(True, apart), np.append(apart, True)
    return Runs(runs.row[first], runs.start[first], runs.end[last])


def rhythms_in(runs: Runs, frames: int, *, first: bool, last: bool) -> Pulses:
    """Every four consecutive runs that are in the rhythm and have no other run near them.

    The runs lie in `frames` frames. `first`: the frames begin the sound. `last`: they end it. Otherwise other
    pulses may lie just outside.
    """
    if runs.row.size < 4:
        return Pulses(runs.row[:0], runs.row[:0], np.zeros((0, 4), int), np.zeros((0, 4), int))
    four = np.lib.stride_tricks.sliding_window_view
    band, level = np.divmod(runs.row[:-3], len(LEVELS))
    found = Pulses(band, level, four(runs.start, 4), four(runs.end, 4))
    same_row = runs.row[3:] == runs.row[:-3]
    return found.only(same_row & _in_rhythm(found) & _alone(found, runs, frames, first=first, last=last))


def _in_rhythm(pulses: Pulses) -> Flags:
    length, gap = pulses.end - pulses.start, pulses.start[:, 1:] - pulses.end[:, :-1]
    short, long = length[:, [0, 2, 3]], length[:, 1:2]
    unit, outer = short.mean(axis=1, keepdims=True), gap[:, [0, 2]].mean(axis=1, keepdims=True)
    fits: Flags = (
        _within(unit, 1, SHORT)
        & _within(long, unit, LONG)
        & _equal(short, unit)
        & _within(gap, unit, GAP)
        & _equal(gap[:, [0, 2]], outer)
        & _within(gap[:, 1:2], outer, MIDDLE_GAP)
        & (pulses.end[:, 3] - pulses.start[:, 0] <= LONGEST)
    )
    return fits


def _within(lengths: Ints | Numbers, unit: Numbers | int, limits: tuple[float, float]) -> Flags:
    """Whether all lengths, shape (rhythms, any), lie between two multiples of their unit."""
    fits = (lengths + SLACK >= limits[0] * unit) & (lengths - SLACK <= limits[1] * unit)
    return _all(fits)


def _equal(lengths: Ints, mean: Numbers) -> Flags:
    return _all(np.abs(lengths - mean) <= UNEQUAL * mean + SLACK)


def _all(fits: NDArray[np.generic]) -> Flags:
    """Whether all of each row, shape (rhythms, any), are true."""
    return np.asarray(fits.all(axis=1), bool)


def _alone(pulses: Pulses, runs: Runs, frames: int, *, first: bool, last: bool) -> Flags:
    gap = np.where(runs.row[1:] == runs.row[:-1], runs.start[1:] - runs.end[:-1], MAX_QUIET)
    before, after = np.append(MAX_QUIET, gap)[:-3], np.append(gap, MAX_QUIET)[3:]
    if not first:
        before = np.minimum(before, pulses.start[:, 0])
    if not last:
        after = np.minimum(after, frames - pulses.end[:, 3])
    short = (pulses.end - pulses.start)[:, [0, 2, 3]].mean(axis=1)
    beat = (pulses.start[:, [1, 3]] - pulses.start[:, [0, 2]] - (pulses.end - pulses.start)[:, [0, 2]]).mean(
        axis=1
    ) + short
    quiet: Flags = np.minimum(before, after) >= np.minimum(QUIET * beat - short, MAX_QUIET)
    return quiet


def lasting(pulses: Pulses, frames: int) -> Pulses:
    """The rhythms that are found in the same frames at the next level, too. Drums of different loudness are not.

    The pulses are sorted as `rhythms_in` gives them, and lie in `frames` frames.
    """
    if not pulses.band.size:
        return pulses
    # + 1: the row after the highest level of a band must not be a row of the next band.
    row = pulses.band * (len(LEVELS) + 1) + pulses.level
    begin = pulses.start[:, 0]
    # One sorted number for row and frame, to search for both at once.
    above = np.searchsorted(row * 2 * frames + begin, (row + 1) * 2 * frames + begin - JITTER)
    above = np.minimum(above, len(row) - 1)
    same = (row[above] == row + 1) & (np.abs(pulses.start[above] - pulses.start) <= JITTER).all(axis=1)
    return pulses.only(same)
