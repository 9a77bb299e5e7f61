"""Draws examples: three seconds of a room, with or without music, as a client sends them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.audio.resample import Samples
from pipeline.messages import SAMPLE_RATE
from pipeline.sound.events.mel import FRAME, STEP, Levels, levels
from pipeline.sound.events.music import CONTEXT, centred
from training.sound.channel import Random, coded, gain, in_room, levelled, tilted
from training.sound.singing import sung
from training.sound.sources import MUSICAL, Kind, Recording
from training.speech.sounds import SOUNDS

SIZE = CONTEXT * STEP + FRAME - STEP
"""Samples of an example."""
PADDED = 50_000
"""SIZE or more samples, for which the Fourier transform is fast."""

PLANS: Sequence[tuple[float, tuple[Kind, ...]]] = (
    (0.24, ("music",)),
    (0.10, ("singing",)),
    (0.10, ("music", "speech")),
    (0.04, ("music", "other")),
    (0.02, ("singing", "other")),
    (0.25, ("speech",)),
    (0.12, ("speech", "other")),
    (0.13, ("other",)),
)
"""What sounds in an example, and the share of such examples. Half of them have music."""
BESIDE_MUSIC = (-12.0, 3.0)
"""Decibels of the other sound beside music: music that is far quieter than talk is no music of the room."""
BESIDE_SPEECH = (-25.0, 0.0)
CODED = 0.15
"""Share of the examples that go through Opus."""
BITRATES = (12_000, 16_000, 24_000, 32_000)
QUIET_START = 0.1
"""Share of the examples whose stream begins in the middle."""


class Example(NamedTuple):
    levels: Levels
    music: bool


class Mixer:
    """Draws examples of recordings. All sources of a kind are equally likely, whatever their length."""

    def __init__(self, recordings: Sequence[Recording], random: Random) -> None:
        self._random = random
        self._sources: dict[Kind, dict[str, list[Samples]]] = {}
        for each in recordings:
            self._sources.setdefault(each.kind, {}).setdefault(each.source, []).append(each.samples)

    def draw(self) -> Example:
        shares = np.array([share for share, _ in PLANS])
        kinds = PLANS[self._random.choice(len(PLANS), p=shares / shares.sum())][1]
        sound = self._excerpt(kinds[0])
        for kind in kinds[1:]:
            low, high = BESIDE_MUSIC if kinds[0] in MUSICAL else BESIDE_SPEECH
            sound = levelled(sound) + levelled(self._excerpt(kind)) * gain(self._random.uniform(low, high))
        return Example(centred(levels(self._sent(sound))), kinds[0] in MUSICAL)

    def _excerpt(self, kind: Kind) -> Samples:
        """A part of one recording that sounds. A shorter recording is followed by others of its source."""
        if kind == "other" and self._random.random() < 0.3:
            return self._made()
        if kind == "singing" and (kind not in self._sources or self._random.random() < 0.7):
            return sung(self._random, self._excerpt("speech"), SIZE)
        sources: Mapping[str, list[Samples]] = self._sources[kind]
        of_source = sources[sorted(sources)[self._random.integers(len(sources))]]
        for _ in range(8):
            part = self._part(of_source)
            if float(np.square(part).mean()) > 1e-7:
                break
        return part

    def _part(self, of_source: Sequence[Samples]) -> Samples:
        part = self._one(of_source)
        while part.size < SIZE:
            pause = np.zeros(self._random.integers(SAMPLE_RATE // 2), np.float32)
            part = np.concatenate([part, pause, self._one(of_source)])
        at = self._random.integers(part.size - SIZE + 1)
        return part[at : at + SIZE]

    def _one(self, of_source: Sequence[Samples]) -> Samples:
        return of_source[int(self._random.integers(len(of_source)))]

    def _made(self) -> Samples:
        """Noise that is made by rule."""
        name = ("hiss", "white", "pink", "brown", "hum", "knocks")[self._random.integers(6)]
        return SOUNDS[name](self._random, SIZE)

    def _sent(self, sound: Samples) -> Samples:
        """The sound as a server gets it: in a room, through a microphone, at any volume, through a codec."""
        random = self._random
        if random.random() < 0.3:
            sound = in_room(random, sound)
        sound = tilted(sound, random.uniform(-4, 4), random.choice([3_400, 6_000, 8_000], p=[0.15, 0.15, 0.7]), PADDED)
        sound = levelled(sound) * gain(random.uniform(-35, -10))
        if random.random() < 0.5:
            sound = sound + random.normal(0, gain(random.uniform(-80, -50)), sound.size).astype(np.float32)
        sound = sound.clip(-1, 1)
        if random.random() < CODED:
            sound = coded(sound, int(random.choice(BITRATES)))
        if random.random() < QUIET_START:
            sound[: random.integers(SIZE * 2 // 3)] = 0
        return sound
