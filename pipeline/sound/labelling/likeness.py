"""Tells pulses of one sound from syllables that happen to be in the rhythm."""

import numpy as np
from numpy.typing import NDArray

from pipeline.sound.labelling.bands import Levels
from pipeline.sound.labelling.pulses import Numbers, Pulses


class Loudness:
    """Means over runs of frames of levels, shape (frames, bands). Each mean costs the same, however long the run is."""

    def __init__(self, levels: Levels) -> None:
        self._levels = _summed(levels)
        self._power = _summed(10 ** (levels[:, :-1] / 10))

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
    return np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])


def _length(pulses: Pulses) -> NDArray[np.int64]:
    return pulses.end - pulses.start
