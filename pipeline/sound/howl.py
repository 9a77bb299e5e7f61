"""Howl: a microphone hears its own loudspeaker, and one frequency or two grow until the amplifier is full.

The criteria are from T. van Waterschoot and M. Moonen, "Comparative evaluation of howling detection criteria in
notch-filter-based howling suppression" (JAES 58, 2010): a peak that stands out from its neighbours, that stays from
frame to frame, and that has most of the power. A voice that sings a note moves its pitch, and has overtones. A
suppressor mutes the howl again and again, so frames without the peak are borne.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.sound_windows import above
from pipeline.speech.audio.resample import Samples

FRAME = 2_048
"""Samples of a frame: 128 ms. A bin of its spectrum is 7.8 Hz."""
STEP = FRAME // 2
"""Samples from one frame to the next."""

LOWEST, HIGHEST = 200.0, 7_500.0
"""Hz. Below it is hum, above it nothing is left by codecs."""
SIDE = 2
"""Bins on each side of a peak that are part of it, because of the Hann window."""
NEAR, FAR = 4, 8
"""The neighbours of a peak, in bins from it."""
STANDS_OUT = 10 ** (12 / 10)
"""The ratio of the peak's power to the mean of its neighbours'."""
FRAMES_WITH_PEAK = 0.5
"""Share of the frames in which the peak stands out. A suppressor mutes the howl in the others."""
STEADY = 0.003
"""The greatest standard deviation of the frequency, as a ratio to it: five cents. Voices and strings move more."""
QUIETEST = 10 ** (-40 / 10)
"""Mean square of the quietest howl, of 1."""
SAME = 1
"""Bins by which a tone may differ from a tone of the window before. The notes of a melody differ by more."""
TONES = 2
"""Tones that may howl at the same time."""
LIMIT = 3.0
"""The ratio of the tones' power to the power of all other sound at which a window is a howl."""

Powers = NDArray[np.float32]
"""Shape (frames, bins)."""


class Howl:
    """Scores the ratio of the power of one or two tones to all other power. The window before must have them, too."""

    def __init__(self) -> None:
        self._last: list[int] = []
        """The tones of the window before."""

    def score(self, window: Samples) -> float:
        if np.square(window).mean() < QUIETEST:
            self._last = []  # silence ends the tones
            return 0.0
        power = _spectrum(window)
        tones, last = _tones(power), self._last
        self._last = tones
        held = [tone for tone in tones if any(abs(tone - each) <= SAME for each in last) and _is_steady(power, tone)]
        if not held:
            return 0.0
        # The power of the tones against the rest of the spectrum.
        of_tones: Powers = np.sum([_peaks(power, tone).sum(axis=1) for tone in _without_overtone(held)], axis=0)
        if of_tones.mean() < QUIETEST:
            return 0.0
        rest = power[:, _bin(LOWEST) :].sum(axis=1) - of_tones
        return above(float(np.median(of_tones / np.maximum(rest, np.float32(1e-12)))), LIMIT)


def _spectrum(window: Samples) -> Powers:
    """The power of each bin in each frame. A frame's powers add up to its mean square."""
    frames = np.lib.stride_tricks.sliding_window_view(window, FRAME)[::STEP] * _hann()
    spectrum = np.fft.rfft(frames)
    power: Powers = np.square(spectrum.real) + np.square(spectrum.imag)
    return power


@cache
def _hann() -> Samples:
    window = np.hanning(FRAME + 1)[:FRAME]
    # The factor 2 is for the negative frequencies, which `rfft` leaves out.
    made: Samples = (window * np.sqrt(2 / (FRAME * np.square(window).sum()))).astype(np.float32)
    return made


def _bin(frequency: float) -> int:
    return round(frequency * FRAME / SAMPLE_RATE)


def _tones(power: Powers) -> list[int]:
    """The bins with the highest power in most frames, the highest first: the peaks of the median of the frames."""
    first, last = _bin(LOWEST), _bin(HIGHEST)
    typical = np.median(power[:, first:last], axis=0)
    found: list[int] = []
    for _ in range(TONES):
        best = int(typical.argmax())
        if 0 < best < typical.size - 1:  # a maximum at an edge is no peak
            found.append(first + best)
        typical[max(0, best - FAR) : best + FAR + 1] = 0
    return found


def _peaks(power: Powers, tone: int) -> Powers:
    return power[:, tone - SIDE : tone + SIDE + 1]


def _is_steady(power: Powers, tone: int) -> bool:
    """Whether the peak stands out and its frequency stays: the centre of its power, which is finer than a bin."""
    around = [*range(tone - FAR, tone - NEAR + 1), *range(tone + NEAR, tone + FAR + 1)]
    # The tone may lie between two bins.
    out = power[:, tone - 1 : tone + 2].max(axis=1) > STANDS_OUT * power[:, around].mean(axis=1)
    if out.mean() < FRAMES_WITH_PEAK:
        return False
    peaks = _peaks(power, tone)[out]
    weights = peaks.sum(axis=1)
    places = peaks @ np.arange(-SIDE, SIDE + 1, dtype=np.float32) / weights
    # By power, because the frames in which a suppressor begins or ends have little of the tone.
    mean = np.average(places, weights=weights)
    return float(np.average(np.square(places - mean), weights=weights)) <= (STEADY * tone) ** 2


def _without_overtone(tones: list[int]) -> list[int]:
    """The tones without the second one if one of the two is an overtone: then they are a note."""
    low, high = min(tones), max(tones)
    number = round(high / low)
    return tones[:1] if number > 1 and abs(high - number * low) <= number else tones
