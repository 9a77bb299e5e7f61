"""Makes sounds without speech: silence, hiss, hum, knocks, music. Each has shape (samples,)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.asr.recogniser import Samples

SEED = 4

Sound = Callable[[np.random.Generator, int], Samples]
"""Makes a given number of samples."""


def _coloured(power: float, level: float) -> Sound:
    """Noise whose amplitude falls with frequency to `power`: 0 is white, 0.5 pink, 1 brown."""

    def make(random: np.random.Generator, size: int) -> Samples:
        spectrum = np.fft.rfft(random.normal(size=size))
        spectrum[1:] /= np.arange(1, len(spectrum)) ** power
        return _at(level, np.fft.irfft(spectrum, size))

    return make


def _hum(random: np.random.Generator, size: int) -> Samples:
    return _at(
        0.05, sum(_tone(50 * harmonic, size) / harmonic for harmonic in (1, 2, 3, 5)) + random.normal(0, 0.01, size)
    )


def _knocks(random: np.random.Generator, size: int) -> Samples:
    beats = (random.random(size) < 3 / SAMPLE_RATE).astype(float)
    thud = np.exp(-np.arange(SAMPLE_RATE // 5) / 800) * random.normal(size=SAMPLE_RATE // 5)
    return _at(0.05, np.convolve(beats, thud)[:size] + random.normal(0, 1e-3, size))


def _music(random: np.random.Generator, size: int) -> Samples:
    """Chords of plucked tones with overtones, two a second."""
    beat = SAMPLE_RATE // 2
    fade = np.exp(-np.arange(beat) / 4_000)
    roots = random.choice([220.0, 247.0, 262.0, 294.0, 330.0, 392.0], size // beat + 1)
    notes = [
        fade * sum(_tone(root * step * o, beat) / o for step in (1, 1.25, 1.5) for o in (1, 2, 3)) for root in roots
    ]
    return _at(0.1, np.concatenate(notes)[:size])


def _tone(frequency: float, size: int) -> Any:
    return np.sin(2 * np.pi * frequency * np.arange(size) / SAMPLE_RATE)


def _at(level: float, wave: Any) -> Samples:
    """`wave` scaled to a root mean square of `level`."""
    levelled: Samples = (wave * level / max(float(np.sqrt(np.mean(np.square(wave)))), 1e-9)).astype(np.float32)
    return levelled


SOUNDS: dict[str, Sound] = {
    "silence": lambda _, size: np.zeros(size, np.float32),
    "hiss": _coloured(0, 1e-3),
    "white": _coloured(0, 0.1),
    "pink": _coloured(0.5, 0.05),
    "brown": _coloured(1, 0.05),
    "hum": _hum,
    "knocks": _knocks,
    "music": _music,
}
