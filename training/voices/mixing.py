"""Draws examples: two seconds of a voice, of a person or not, as a client sends them.

Both classes pass through the same rooms, lines and codecs, so that the network learns the voice and not the file.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.resample import Samples
from training.sound.channel import Random, coded, gain, in_room, levelled, tilted
from training.sound.sources import Kind, Recording
from training.speech.sounds import SOUNDS
from training.voices.converting import converted
from training.voices.spectrogram import SIZE, Shape, powers, shape

LONGER = SIZE + SAMPLE_RATE // 2
"""Samples that are drawn before a conversion, which may lose some."""
PADDED = 33_000
"""SIZE or more samples, for which the Fourier transform is fast."""
SYNTHETIC = 0.5
"""Share of the examples that are no person's voice."""
CONVERTED = 0.35
"""Share of those that are a person's speech, converted."""
VOICELESS = 0.08
"""Share of the other examples that have no voice: music, effects, noise."""
WITH_SOUND = 0.15
"""Share of the voices that have another sound beside them."""
BESIDE = (-30.0, -5.0)
"""Decibels of that sound."""
HIGHEST = (3_400, 4_000, 5_500, 7_000, 8_000)
"""Hz that a line lets pass."""
BITRATES = (8_000, 12_000, 16_000, 24_000, 32_000)
NOISE = ("hiss", "white", "pink", "brown", "hum")
PAUSE = 0.02
"""Power of a gap, as a ratio to that of the voice, below which a noise gate makes silence."""


class Example(NamedTuple):
    shape: Shape
    synthetic: bool


class VoiceMixer:
    """Draws examples of recordings. A source with more recordings is drawn more often, by the root of its length."""

    def __init__(self, recordings: Sequence[Recording], random: Random, conversions: float = CONVERTED) -> None:
        self._random = random
        self._conversions = conversions
        self._sources: dict[Kind, dict[str, list[Samples]]] = {}
        for each in recordings:
            kind: Kind = "other" if each.kind == "music" else each.kind
            self._sources.setdefault(kind, {}).setdefault(each.source, []).append(each.samples)

    def draw(self) -> Example:
        random = self._random
        synthetic = bool(random.random() < SYNTHETIC)
        sound = self._synthetic() if synthetic else self._genuine()
        if random.random() < WITH_SOUND:
            sound = levelled(sound) + levelled(self._other()) * gain(random.uniform(*BESIDE))
        return Example(shape(powers(self._sent(sound))), synthetic)

    def _genuine(self) -> Samples:
        return self._other() if self._random.random() < VOICELESS else self._excerpt("speech", SIZE)

    def _synthetic(self) -> Samples:
        if self._random.random() >= self._conversions:
            return self._excerpt("synthetic", SIZE)
        return np.resize(converted(self._random, self._excerpt("speech", LONGER)), SIZE)

    def _other(self) -> Samples:
        if "other" not in self._sources or self._random.random() < 0.4:
            return SOUNDS[NOISE[self._random.integers(len(NOISE))]](self._random, SIZE)
        return self._excerpt("other", SIZE)

    def _excerpt(self, kind: Kind, size: int) -> Samples:
        """A part that sounds. A shorter recording is followed by others of its source."""
        sources = self._sources[kind]
        names = sorted(sources)
        weights = np.sqrt([sum(each.size for each in sources[name]) for name in names])
        of_source = sources[names[self._random.choice(len(names), p=weights / weights.sum())]]
        for _ in range(8):
            part = self._part(of_source, size)
            if float(np.square(part).mean()) > 1e-6:
                break
        return part

    def _part(self, of_source: Sequence[Samples], size: int) -> Samples:
        part = of_source[int(self._random.integers(len(of_source)))]
        while part.size < size:
            pause = np.zeros(self._random.integers(SAMPLE_RATE // 4), np.float32)
            part = np.concatenate([part, pause, of_source[int(self._random.integers(len(of_source)))]])
        at = self._random.integers(part.size - size + 1)
        return part[at : at + size]

    def _sent(self, sound: Samples) -> Samples:
        """The sound as a server gets it: in a room, through a gate and a line, with noise, at any volume, coded."""
        random = self._random
        if random.random() < 0.3:
            sound = in_room(random, sound)
        sound = levelled(sound)
        if random.random() < 0.3:
            sound = _gated(sound)
        if random.random() < 0.7:
            noise = SOUNDS[NOISE[random.integers(len(NOISE))]](random, sound.size)
            sound = sound + levelled(noise) * gain(random.uniform(-55, -15))
        highest = int(random.choice(HIGHEST, p=[0.12, 0.12, 0.12, 0.14, 0.5]))
        sound = tilted(sound, random.uniform(-4, 4), highest, PADDED)
        sound = (levelled(sound) * gain(random.uniform(-40, -12))).clip(-1, 1)
        return coded(sound, int(random.choice(BITRATES))) if random.random() < 0.5 else sound


def _gated(sound: Samples) -> Samples:
    """The sound with silence in its gaps, as a noise gate makes it."""
    block = SAMPLE_RATE // 50
    whole = np.resize(sound, -(-sound.size // block) * block).reshape(-1, block)
    loud = np.square(whole).mean(axis=1) >= PAUSE
    kept = np.convolve(loud, np.ones(7), "same") > 0
    gated: Samples = (whole * kept[:, None]).reshape(-1)[: sound.size].astype(np.float32)
    return gated
