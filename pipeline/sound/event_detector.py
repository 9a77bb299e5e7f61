"""Hears howl, clipping, loudness and music in live rooms. Clipping: a microphone or an amplifier is driven too hard."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.contract.messages import EventKind, HeardSound
from pipeline.sound.howl import Howl
from pipeline.sound.loudness import Loudness
from pipeline.sound.music import MUSIC_WINDOW, Music
from pipeline.sound.sound_detector import SoundSpan
from pipeline.sound.sound_windows import HOP, WINDOW, Lasting, Persistence, Windows, WindowScorer, above
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speaker_tracks import Key

CEILING = 0.985
"""A sample with at least this size, of 1, is cut off."""
LIMIT = 0.005
"""Share of cut samples at which a window is clipped. On the side *validate*, talk 12 dB over full scale had 0.009 and
more after Opus. Mastered music had 0.0006 at most, and talk at full scale none.
"""
MODEL = "events@3"


class Clipping:
    """Scores the share of samples at full scale."""

    def score(self, window: Samples) -> float:
        return above(float(np.count_nonzero(np.abs(window) >= CEILING)) / window.size, LIMIT)


class EventRule(NamedTuple):
    """How a kind of sound is heard: `least` of `of` windows hold it. The last two are numbers of samples."""

    measure: Callable[[], WindowScorer]
    least: int
    of: int
    window: int = WINDOW
    hop: int = HOP


RULES: Mapping[EventKind, EventRule] = {
    "howl": EventRule(Howl, 5, 6),
    "clipping": EventRule(Clipping, 6, 10),
    "loudness": EventRule(Loudness, 6, 6),
    "music": EventRule(Music, 1, 1, MUSIC_WINDOW, MUSIC_WINDOW),
}
"""Loudness is measured over three seconds, so six loud windows in a row are about three seconds of sound."""


class _Listening:
    """Hears one kind of sound."""

    def __init__(self, kind: EventKind, start: int) -> None:
        rule = RULES[kind]
        self._kind = kind
        self._windows = Windows(start, rule.window, rule.hop)
        self._measure = rule.measure()
        self._persistence = Persistence(rule.least, rule.of, rule.window, rule.hop)

    def push(self, samples: Samples) -> SoundSpan | None:
        return self._heard(self._windows.push(samples))

    def flush(self) -> SoundSpan | None:
        return self._heard(self._windows.flush())

    def _heard(self, windows: Iterator[tuple[int, Samples]]) -> SoundSpan | None:
        """The sound if it lasts at the end of any of the windows, as it is at the last one."""
        # Score all windows, also after a sound that lasts: measures and persistence remember them.
        found = [self._persistence.add(end, self._measure.score(window)) for end, window in windows]
        lasting = [each for each in found if each]
        return _span(self._kind, lasting[-1]) if lasting else None


class EventDetector:
    """Hears some kinds of sound in one stream. It begins at `start`, in 16 kHz samples since 1970 UTC."""

    def __init__(self, kinds: Iterable[EventKind], start: int) -> None:
        self._listening = [_Listening(kind, start) for kind in kinds]

    def push(self, samples: Samples) -> Sequence[SoundSpan]:
        return [span for each in self._listening if (span := each.push(samples))]

    def flush(self) -> Sequence[SoundSpan]:
        return [span for each in self._listening if (span := each.flush())]


class EventDetectors:
    """Makes detectors for the `kinds` that have a rule."""

    edition = 0

    def __init__(self, kinds: Sequence[EventKind]) -> None:
        self._kinds = [kind for kind in kinds if kind in RULES]

    @property
    def awake(self) -> bool:
        return bool(self._kinds)

    def look(self) -> None:
        """Nothing outside of the process changes these detectors."""

    def detector(self, start: int, key: Key) -> EventDetector:
        del key  # all speakers are heard alike
        return EventDetector(self._kinds, start)


def _span(kind: EventKind, lasting: Lasting) -> SoundSpan:
    heard = HeardSound(kind=kind, score=lasting.score)
    return SoundSpan(heard, "", lasting.start, lasting.end, MODEL)
