"""Hears screams, moans, crying and shots in live rooms, with YAMNet."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.audio.resample import Samples
from pipeline.audio.speakers import Key
from pipeline.judge.calibration import Numbers
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


class Rule(NamedTuple):
    """How a kind of sound is heard: `least` of `of` windows hold it.

    A window holds it if the highest score of its `classes` of YAMNet is at least `limit`.
    """

    classes: Mapping[str, int]
    limit: float
    least: int
    of: int


RULES: Mapping[YamnetKind, Rule] = {
    "scream": Rule({"Screaming": 11}, 0.3, 1, 1),
    "moan": Rule({"Wail, moan": 22, "Groan": 33}, 0.3, 1, 1),
    "crying": Rule({"Crying, sobbing": 19, "Baby cry, infant cry": 20}, 0.3, 2, 3),
    "gunshot": Rule({"Gunshot, gunfire": 421, "Machine gun": 422, "Fusillade": 423}, 0.3, 1, 1),
}
"""The numbers of the classes are those of `yamnet_class_map.csv` in the repository tensorflow/models."""


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
            scores = self._scores(window[-SAMPLES:])
            for kind, persistence in self._persistence.items():
                if lasting := persistence.add(end, scores[kind]):
                    found[kind] = lasting
        return [_span(kind, lasting) for kind, lasting in found.items()]

    def _scores(self, window: Samples) -> Mapping[YamnetKind, float]:
        if float(np.square(window).mean()) < QUIETEST:
            return dict.fromkeys(self._persistence, 0.0)
        scores = self._network.scores(window)
        return {kind: _score(scores, RULES[kind]) for kind in self._persistence}


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


def _score(scores: Numbers, rule: Rule) -> float:
    return above(float(scores[[*rule.classes.values()]].max()), rule.limit)


def _span(kind: YamnetKind, lasting: Lasting) -> SoundSpan:
    return SoundSpan(HeardSound(kind=kind, score=lasting.score), "", lasting.start, lasting.end, MODEL)
