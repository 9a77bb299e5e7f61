"""Hears the rhythm label: short, long, short, short, which is "AI" in Morse code (GB 45438-2025, 5.3 c).

The standard gives no pitch, no tempo and no loudness. So any sound with four pulses that are alike counts: a tone, a
chord, a buzz, a burst of noise. Clicks have no length and so no rhythm of short and long.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.sound.labelling.rhythm_pulses import (
    BANDS,
    FRAMES_PER_SECOND,
    LONGEST,
    MAX_QUIET,
    BandMeter,
    Levels,
    Numbers,
    Pulses,
    lasting,
    rhythms_in,
    runs_of,
)
from pipeline.speech.audio.resample import Samples

CONTRAST = 10.0
"""The quietest pulse is so many dB above the loudest gap."""
LIKENESS = 0.9
"""Least likeness of the pulses. A higher limit misses labels in noise; a lower one takes syllables for them."""
STEP = 10 * FRAMES_PER_SECOND
"""Frames by which the search moves on."""
SEARCHED = STEP + LONGEST + 2 * MAX_QUIET
"""Frames that are searched at once. Each rhythm, with the quiet around it, lies wholly in one search."""


class PulseLoudness:
    """Means over runs of frames of levels, shape (frames, bands). Each mean costs the same, however long the run is."""

    def __init__(self, levels: Levels) -> None:
        self._levels = _summed(levels)
        self._power = _summed(10 ** (levels[:, :-1] / 10))  # not the last band, which is the sum of the others

    def contrast(self, pulses: Pulses) -> Numbers:
        """How far the quietest pulse is above the loudest gap, in their band, in dB. Shape (rhythms,)."""
        band = pulses.band[:, None]
        sums = self._levels
        on = sums[pulses.end, band] - sums[pulses.start, band]
        off = sums[pulses.start[:, 1:], band] - sums[pulses.end[:, :-1], band]
        pulse, gap = on / _length(pulses), off / (pulses.start[:, 1:] - pulses.end[:, :-1])
        found: Numbers = pulse.min(axis=1) - gap.max(axis=1)
        return found

    def likeness(self, pulses: Pulses) -> Numbers:
        """How much the spectra of the pulses are alike: the least cosine of two of them. Shape (rhythms,), from 0 to 1.

        What also sounds in the gaps is subtracted, because people may talk over the pulses.
        """
        sums = self._power
        on = (sums[pulses.end] - sums[pulses.start]) / _length(pulses)[..., None]
        off = (sums[pulses.start[:, 1:]] - sums[pulses.end[:, :-1]]).sum(axis=1)
        gaps = (pulses.start[:, 1:] - pulses.end[:, :-1]).sum(axis=1)
        own = np.sqrt(np.maximum(on - (off / gaps[:, None])[:, None], 0))
        unit = own / np.maximum(np.linalg.norm(own, axis=2, keepdims=True), 1e-12)
        found: Numbers = (unit @ unit.transpose(0, 2, 1)).min(axis=(1, 2), initial=1.0)
        return found


def _summed(values: Levels | Numbers) -> Numbers:
    # The mean of a run is a difference of two sums. In float32 it would lose its last digits.
    return np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])


def _length(pulses: Pulses) -> NDArray[np.int64]:
    return pulses.end - pulses.start


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A place where the rhythm sounds, in seconds from the start of the stream."""

    start: float
    end: float
    likeness: float
    """How much the four pulses are alike, up to 1."""


class RhythmDetector:
    """Finds the rhythm in one stream of 16 kHz mono audio. The sizes of its blocks do not change the result.

    It keeps up to 16 s of levels (350 kB), and takes about 3 ms of CPU time for a second of audio.
    """

    def __init__(self) -> None:
        self._meter = BandMeter()
        self._held: Levels = np.zeros((0, BANDS), np.float32)
        self._begin = 0
        """The frame of the stream at which the held frames begin."""
        self._until = 0.0
        """Seconds at which the last rhythm ends."""

    def push(self, samples: Samples) -> list[Rhythm]:
        """Hear a block, shape (samples,). A rhythm is found up to 16 s after its start."""
        self._held = np.concatenate([self._held, self._meter.push(samples)])
        found: list[Rhythm] = []
        while len(self._held) >= SEARCHED:
            found += self._search(self._held[:SEARCHED], last=False)
            self._held, self._begin = self._held[STEP:], self._begin + STEP
        return found

    def finish(self) -> list[Rhythm]:
        """End the stream. Do not use the detector afterwards."""
        return self._search(self._held, last=True)

    def _search(self, levels: Levels, *, last: bool) -> list[Rhythm]:
        begun = self._begin / FRAMES_PER_SECOND
        new = [
            Rhythm(begun + each.start, begun + each.end, each.likeness)
            for each in _without_overlaps(_rhythms(levels, first=not self._begin, last=last))
            if begun + each.start >= self._until  # searches overlap
        ]
        self._until = max([self._until, *(each.end for each in new)])
        return new


def _rhythms(levels: Levels, *, first: bool, last: bool) -> Iterator[Rhythm]:
    """The rhythms in all bands and levels, the most alike first. So one sound is found many times."""
    pulses = lasting(rhythms_in(runs_of(levels), len(levels), first=first, last=last), len(levels))
    # The tests go from cheap to costly, each on what the one before has left.
    loudness = PulseLoudness(levels)
    pulses = pulses.only(loudness.contrast(pulses) >= CONTRAST)
    likeness = loudness.likeness(pulses)
    for at in np.argsort(-likeness)[: np.count_nonzero(likeness >= LIKENESS)]:
        start, end = pulses.start[at, 0] / FRAMES_PER_SECOND, pulses.end[at, 3] / FRAMES_PER_SECOND
        yield Rhythm(float(start), float(end), round(float(likeness[at]), 3))


def _without_overlaps(rhythms: Iterator[Rhythm]) -> list[Rhythm]:
    """Keep the first of rhythms that overlap. Sorts by time."""
    kept: list[Rhythm] = []
    for each in rhythms:
        if all(each.end <= other.start or other.end <= each.start for other in kept):
            kept.append(each)
    return sorted(kept, key=lambda each: each.start)
