"""Hears screams, moans, crying and shots in live rooms, with YAMNet."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.audio.resample import Samples
from pipeline.audio.speakers import Key
from pipeline.messages import EventKind, HeardSound, YamnetKind
from pipeline.settings import ListenSettings
from pipeline.sound.detector import SoundSpan
from pipeline.sound.events.scores import Lasting, Persistence, above
from pipeline.sound.events.windows import Windows
from pipeline.sound.yamnet.network import SAMPLES, Yamnet

MODEL = "yamnet@1"
"""Version of the rules."""
QUIETEST = 1e-6
"""Mean square of the quietest window that is heard: -60 dB of full scale."""


CLASSES: Mapping[str, int] = {
    "Screaming": 11,
    "Crying, sobbing": 19,
    "Baby cry, infant cry": 20,
    "Whimper": 21,
    "Wail, moan": 22,
    "Groan": 33,
    "Explosion": 420,
    "Gunshot, gunfire": 421,
    "Machine gun": 422,
    "Fusillade": 423,
    "Artillery fire": 424,
    "Cap gun": 425,
}
"""Places of classes among the scores, as `yamnet_class_map.csv` of the repository tensorflow/models has them."""
CRIES = ("Crying, sobbing", "Baby cry, infant cry", "Whimper")
MOANS = ("Whimper", "Wail, moan", "Groan")
SHOTS = ("Explosion", "Gunshot, gunfire", "Machine gun", "Fusillade", "Artillery fire", "Cap gun")


class Rule(NamedTuple):
    """How a kind of sound is heard: `least` of `of` windows hold it.

    A window holds it if one of its `classes` has at least the score `limit`.
    """

    classes: Sequence[str]
    limit: float
    least: int
    of: int

    @property
    def places(self) -> list[int]:
        """Where its classes are among the scores of the network."""
        return [CLASSES[name] for name in self.classes]


RULES: Mapping[YamnetKind, Rule] = {
    "scream": Rule(("Screaming",), 0.1, 1, 1),
    "moan": Rule(MOANS, 0.3, 1, 1),
    "crying": Rule(CRIES, 0.05, 2, 3),
    "gunshot": Rule(SHOTS, 0.1, 1, 1),
}


class YamnetDetector:
    """Hears some kinds of sound in one stream. It begins at `start`, in 16 kHz samples since 1970 UTC."""

    def __init__(self, network: Yamnet, kinds: Iterable[YamnetKind], start: int) -> None:
        self._network = network
        self._windows = Windows(start)
        self._persistence = {kind: Persistence(RULES[kind].least, RULES[kind].of) for kind in kinds}

    def push(self, samples: Samples) -> Sequence[SoundSpan]:
        return self._heard(self._windows.push(samples))

    def flush(self) -> Sequence[SoundSpan]:
        return self._heard(self._windows.flush())

    def _heard(self, windows: Iterator[tuple[int, Samples]]) -> Sequence[SoundSpan]:
        """The sounds that last at the end of any of the windows, each as it is at the last one."""
        found: dict[YamnetKind, Lasting] = {}
        for end, window in windows:
            scores = scores_of(self._network, window, self._persistence)
            for kind, persistence in self._persistence.items():
                if lasting := persistence.add(end, above(scores[kind], RULES[kind].limit)):
                    found[kind] = lasting
        return [_span(kind, lasting) for kind, lasting in found.items()]


class YamnetEar:
    """Makes detectors for those of the `kinds` that YAMNet hears. All speakers share its network."""

    edition = 0
    awake = True

    def __init__(self, network: Yamnet, kinds: Sequence[EventKind]) -> None:
        self._network = network
        self._kinds = [kind for kind in RULES if kind in kinds]

    def look(self) -> None:
        """Nothing outside of the process changes the network."""

    def detector(self, start: int, key: Key) -> YamnetDetector:
        del key  # all speakers are heard alike
        return YamnetDetector(self._network, self._kinds, start)


def build(settings: ListenSettings) -> YamnetEar | None:
    """Build the ear if `listen.sounds` has any of its kinds. Raises ConfigError if the network cannot be loaded."""
    if settings.yamnet is None or not RULES.keys() & {*settings.sounds}:
        return None
    return YamnetEar(Yamnet(settings.yamnet), settings.sounds)


def scores_of(network: Yamnet, window: Samples, kinds: Iterable[YamnetKind]) -> dict[YamnetKind, float]:
    """For each kind, the highest score of its classes in a window of at least SAMPLES samples; 0 if it is quiet."""
    if float(np.square(window).mean()) < QUIETEST:
        return dict.fromkeys(kinds, 0.0)
    scores = network.scores(window[-SAMPLES:])
    return {kind: float(scores[RULES[kind].places].max()) for kind in kinds}


def _span(kind: YamnetKind, lasting: Lasting) -> SoundSpan:
    return SoundSpan(HeardSound(kind=kind, score=lasting.score), "", lasting.start, lasting.end, MODEL)
