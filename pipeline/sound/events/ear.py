"""Hears howl, clipping, loudness and music in live rooms."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pipeline.audio.resample import Samples
from pipeline.messages import EventKind, HeardSound
from pipeline.sound.detector import SoundSpan
from pipeline.sound.events.clipping import Clipping
from pipeline.sound.events.howl import Howl
from pipeline.sound.events.loudness import Loudness
from pipeline.sound.events.music import Music
from pipeline.sound.events.scores import Lasting, Measure, Persistence
from pipeline.sound.events.windows import Windows

MODEL = "events@1"


class Rule(NamedTuple):
    """How a kind of sound is heard: `least` of `of` windows, one each half second, hold it."""

    measure: Callable[[], Measure]
    least: int
    of: int


RULES: Mapping[EventKind, Rule] = {
    "howl": Rule(Howl, 5, 6),
    "clipping": Rule(Clipping, 6, 10),
    "loudness": Rule(Loudness, 6, 6),
    "music": Rule(Music, 8, 10),
}
"""The loudness of a window is that of three seconds, so six windows in a row are about three seconds of sound."""


class _Listening(NamedTuple):
    kind: EventKind
    measure: Measure
    persistence: Persistence


class EventDetector:
    """Hears some kinds of sound in one stream. It begins at `start`, in 16 kHz samples since 1970 UTC."""

    def __init__(self, kinds: Iterable[EventKind], start: int) -> None:
        self._windows = Windows(start)
        self._listening = [
            _Listening(kind, RULES[kind].measure(), Persistence(RULES[kind].least, RULES[kind].of)) for kind in kinds
        ]

    def push(self, samples: Samples) -> Sequence[SoundSpan]:
        return self._heard(self._windows.push(samples))

    def flush(self) -> Sequence[SoundSpan]:
        return self._heard(self._windows.flush())

    def _heard(self, windows: Iterator[tuple[int, Samples]]) -> list[SoundSpan]:
        """The sounds that last at the end of any of the windows. A sound is named once, as it is at the last one."""
        found: dict[EventKind, SoundSpan] = {}
        for end, window in windows:
            for each in self._listening:
                if lasting := each.persistence.add(end, each.measure.score(window)):
                    found[each.kind] = _span(each.kind, lasting)
        return [*found.values()]


class EventEar:
    """Makes detectors for those of the `kinds` that are heard by a measure."""

    edition = 0

    def __init__(self, kinds: Sequence[EventKind]) -> None:
        self._kinds = [kind for kind in kinds if kind in RULES]

    @property
    def awake(self) -> bool:
        return bool(self._kinds)

    def look(self) -> None:
        """Nothing outside of the process changes these detectors."""

    def detector(self, start: int) -> EventDetector:
        return EventDetector(self._kinds, start)


def _span(kind: EventKind, lasting: Lasting) -> SoundSpan:
    heard = HeardSound(kind=kind, score=lasting.score)
    return SoundSpan(heard, "", lasting.start, lasting.end, MODEL)
