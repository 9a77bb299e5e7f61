"""Hears screams, moans, crying and shots in live rooms, with YAMNet."""

from collections.abc import Iterator, Sequence
from itertools import chain

from pipeline.contract.messages import EventKind, HeardSound, YamnetKind
from pipeline.settings import ListenSettings
from pipeline.sound.detector import SoundSpan
from pipeline.sound.events.scores import Lasting, Persistence, above
from pipeline.sound.events.windows import Windows
from pipeline.sound.yamnet.glances import Glances, KindScores
from pipeline.sound.yamnet.network import Yamnet
from pipeline.sound.yamnet.rules import RULES
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speaker_tracks import Key

MODEL = "yamnet@1"
"""Version of the rules."""


class YamnetDetector:
    """Hears some kinds of sound in one stream. It begins at `start`, in 16 kHz samples since 1970 UTC."""

    def __init__(self, network: Yamnet, kinds: Sequence[YamnetKind], start: int) -> None:
        self._windows = Windows(start)
        self._glances = Glances(network, kinds)
        self._persistence = {kind: Persistence(RULES[kind].least, RULES[kind].of) for kind in kinds}

    def push(self, samples: Samples) -> Sequence[SoundSpan]:
        return self._heard(self._glances.push(self._windows.push(samples)))

    def flush(self) -> Sequence[SoundSpan]:
        return self._heard(chain(self._glances.push(self._windows.flush()), self._glances.flush()))

    def _heard(self, windows: Iterator[tuple[int, KindScores]]) -> Sequence[SoundSpan]:
        """The sounds that last at the end of any of the windows, each as it is at the last one."""
        found: dict[YamnetKind, Lasting] = {}
        for end, scores in windows:
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


def _span(kind: YamnetKind, lasting: Lasting) -> SoundSpan:
    return SoundSpan(HeardSound(kind=kind, score=lasting.score), "", lasting.start, lasting.end, MODEL)
