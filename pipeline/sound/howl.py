"""Howl: a microphone hears its own loudspeaker, and one frequency grows until the amplifier is full.

The criteria are from T. van Waterschoot and M. Moonen, "Comparative evaluation of howling detection criteria in
notch-filter-based howling suppression" (JAES 58, 2010): a peak that stands out from its neighbours, that stays from
frame to frame, and that has most of the power. A voice that sings a note moves its pitch, and has overtones.
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
FRAMES_WITH_PEAK = 0.9
"""Share of the frames in which the peak stands out."""
STEADY = 0.003
"""The greatest standard deviation of the frequency, as a ratio to it: five cents. Voices and strings move more."""
QUIETEST = 10 ** (-40 / 10)
"""Mean square of the quietest howl, of 1."""
SAME = 1
"""Bins by which the tone may differ from the tone of the window before. The notes of a melody differ by more."""
LIMIT = 3.0
"""The ratio of the peak's power to the power of all other sound at which a window is a howl."""

Powers = NDArray[np.float32]
"""Shape (frames, bins)."""


class Howl:
    """Scores the ratio of a tone's power to the power of all other sound. The window before must have the same tone."""

    def __init__(self) -> None:
        self._last: int | None = None
        """The tone of the window before."""

    def score(self, window: Samples) -> float:
        if np.square(window).mean() < QUIETEST:
            self._last = None  # silence ends the tone
            return 0.0
        power = _spectrum(window)
        tone, last = _tone(power), self._last
        self._last = tone
        if tone is None or last is None or abs(tone - last) > SAME:
            return 0.0
        # The power of the tone against the rest of the spectrum, if it is a narrow and steady peak.
        peaks = power[:, tone - SIDE : tone + SIDE + 1]
        of_peak = peaks.sum(axis=1)
        if of_peak.mean() < QUIETEST or not (_stands_out(power, tone) and _is_steady(peaks, tone)):
            return 0.0
        rest = power[:, _bin(LOWEST) :].sum(axis=1) - of_peak
        return above(float(np.median(of_peak / np.maximum(rest, np.float32(1e-12)))), LIMIT)


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


def _tone(power: Powers) -> int | None:
    """The bin with the highest power in most frames: the peak of the mean of their logarithms."""
    first, last = _bin(LOWEST), _bin(HIGHEST)
    mean = np.log(power[:, first:last] + np.float32(1e-12)).mean(axis=0)
    best = int(mean.argmax())
    return first + best if 0 < best < mean.size - 1 else None  # a maximum at an edge is no peak


def _stands_out(power: Powers, tone: int) -> bool:
    around = [*range(tone - FAR, tone - NEAR + 1), *range(tone + NEAR, tone + FAR + 1)]
    neighbours = power[:, around].mean(axis=1)
    # The tone may lie between two bins.
    frames = power[:, tone - 1 : tone + 2].max(axis=1) >= STANDS_OUT * neighbours
    return float(frames.mean()) >= FRAMES_WITH_PEAK


def _is_steady(peaks: Powers, tone: int) -> bool:
    """Whether the frequency stays. It is the centre of the peak's power, which is finer than a bin."""
    places = peaks @ np.arange(-SIDE, SIDE + 1, dtype=np.float32) / np.maximum(peaks.sum(axis=1), np.float32(1e-12))
    return float(places.std()) <= STEADY * tone
