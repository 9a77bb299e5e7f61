"""Songs made by rule: a melody over chords, bass and drums. Each random generator gives another one."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.resample import Samples

Random = np.random.Generator
Wave = NDArray[np.float64]

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9))
"""Major, minor, and the pentatonic scale of many Chinese songs; in semitones."""
PROGRESSIONS = ((0, 4, 5, 3), (5, 3, 0, 4), (0, 5, 3, 4), (0, 3, 4, 0), (0, 2, 3, 4))
"""Chords of four bars, as steps of the scale."""


class Instrument(NamedTuple):
    """The loudness of the overtones, how fast a note fades (per second), and the depth of its vibrato."""

    overtones: Sequence[float]
    fade: float
    vibrato: float


class Style(NamedTuple):
    """What all bars of a song share."""

    beat: int
    """Samples."""
    key: float
    """Hz of the lowest note."""
    scale: Sequence[int]
    chords: Sequence[int]
    lead: Instrument
    pad: Instrument


def song(random: Random, size: int) -> Samples:
    """A song, shape (size,)."""
    style = _style(random)
    bars = [_bar(random, style, number) for number in range(size // (4 * style.beat) + 1)]
    sound = np.concatenate(bars)[:size]
    made: Samples = (0.5 * sound / max(float(np.abs(sound).max(initial=0)), 1e-9)).astype(np.float32)
    return made


def _style(random: Random) -> Style:
    return Style(
        beat=round(SAMPLE_RATE * 60 / random.uniform(70, 160)),
        key=110 * 2 ** (random.integers(12) / 12 + random.uniform(-0.02, 0.02)),
        scale=SCALES[random.integers(len(SCALES))],
        chords=PROGRESSIONS[random.integers(len(PROGRESSIONS))],
        lead=_instrument(random),
        pad=_instrument(random),
    )


def _instrument(random: Random) -> Instrument:
    overtones = random.uniform(0.2, 1, 8) / np.arange(1, 9) ** random.uniform(0.5, 2)
    return Instrument(overtones.tolist(), random.uniform(1, 8), random.choice([0, 0.002, 0.006]))


def _bar(random: Random, style: Style, number: int) -> Wave:
    """Four beats. The melody and the fills differ from bar to bar, the chords return."""
    root = style.chords[number % len(style.chords)]
    sound = _note(style, style.pad, root - len(style.scale), 4) + sum(
        0.5 * _note(style, style.pad, root + step, 4) for step in (0, 2, 4)
    )
    at = 0.0
    while at < 4:
        length = float(random.choice([0.5, 0.5, 1, 1, 1.5, 2]))
        _put(sound, _note(style, style.lead, root + int(random.integers(7, 15)), length), round(at * style.beat))
        at += length
    for half in range(8):
        _put(sound, _drum(random, half), half * style.beat // 2)
    return sound


def _note(style: Style, instrument: Instrument, step: int, beats: float) -> Wave:
    octave, degree = divmod(step, len(style.scale))
    pitch = style.key * 2 ** (octave + style.scale[degree] / 12)
    time = np.arange(round(beats * style.beat)) / SAMPLE_RATE
    phase = 2 * np.pi * pitch * (time + instrument.vibrato / 30 * np.sin(2 * np.pi * 5.5 * time))
    tones = (
        loudness * np.sin(number * phase)
        for number, loudness in enumerate(instrument.overtones, 1)
        if number * pitch < SAMPLE_RATE / 2
    )
    made: Wave = sum(tones, np.zeros(time.size)) * np.exp(-instrument.fade * time) * np.minimum(1, time * 100)
    return made


def _drum(random: Random, half: int) -> Wave:
    """Kick on the beats 1 and 3, snare on 2 and 4, hi-hat between; sometimes none."""
    time = np.arange(SAMPLE_RATE // 8) / SAMPLE_RATE
    if random.random() < 0.2:
        return np.zeros(1)
    if half % 4 == 0:
        return 1.5 * np.sin(2 * np.pi * 60 * time) * np.exp(-20 * time)
    noise = random.normal(size=time.size)
    return 0.6 * noise * np.exp(-25 * time) if half % 4 == 2 else 0.3 * np.diff(noise, prepend=0) * np.exp(-60 * time)


def _put(sound: Wave, part: Wave, at: int) -> None:
    """Add a part to the sound. What reaches beyond the end is cut off."""
    end = min(sound.size, at + part.size)
    sound[at:end] += part[: end - at]
