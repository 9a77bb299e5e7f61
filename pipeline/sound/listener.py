"""Listens to one speaker: all audio, not only speech.

`Spans` turns what detectors hear second by second into spans that a moderator can play. A new sound is reported at
once. While it goes on, its next part is reported at each multiple of REPORT on the clock. These times do not depend on
where reading began, so audio that is read again gives the same spans. The spans of one sound touch: they are one case.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import chain
from uuid import uuid5

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from pipeline.base.metrics import Metrics
from pipeline.contract.messages import NAMESPACE, SAMPLE_RATE, Sound
from pipeline.settings import Audio
from pipeline.sound.sound_detector import DetectorFactory, DueWindow, SoundDetector, SoundSpan
from pipeline.speech.audio.chunk_order import ReceivedSamples
from pipeline.speech.audio.encode import FULL_SCALE, encode_flac
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speaker_tracks import AudioTrack, Key

REPORT = 15 * SAMPLE_RATE
"""Samples from one report of a sound that goes on to the next."""
LEAST_SPAN = SAMPLE_RATE
"""A shorter rest, in samples, is not reported."""
LONGEST_SPAN = 20 * SAMPLE_RATE
"""The longest span in samples. Of a longer one, the end is kept."""
STEP = SAMPLE_RATE
"""Samples from one decision to the next. Decisions fall on whole seconds, with chunks of any size."""
LATE_SECONDS = 5
"""A span may end this many seconds before it is reported."""


class Spans:
    """The sounds of one stream."""

    def __init__(self) -> None:
        self._unreported: dict[tuple[str, str], SoundSpan] = {}
        """The part of each sound after its last report; it may be empty."""

    def hear(self, at: int, found: Sequence[SoundSpan]) -> list[SoundSpan]:
        """Take what was `found` up to the whole second `at` (samples). Return the spans to report."""
        reports = [report for span in found for report in self._add(span)]
        if at % REPORT == 0:
            reports += self._rests()
        over = [key for key, span in self._unreported.items() if span.end + span.pause < at]
        return reports + [rest for key in over for rest in _worth(self._unreported.pop(key))]

    def flush(self) -> list[SoundSpan]:
        """Return the rest of all sounds."""
        return [*self._rests()]

    def _add(self, span: SoundSpan) -> Iterator[SoundSpan]:
        if span.of_room:  # its detector already decides when to report
            yield span
            return
        known = self._unreported.get(span.key)
        if known and span.start <= known.end + span.pause:
            # Report at once if the sound goes on after a pause since its last report, or if it is much surer now.
            resumed = known.start == known.end and span.start > known.end + LEAST_SPAN
            risen = span.heard.score >= known.heard.score + span.rise
            self._unreported[span.key] = _longer(known, span)
            if resumed or risen:
                yield from self._report(span.key)
            return
        if known:
            yield from _worth(known)
        self._unreported[span.key] = span._replace(start=span.end)
        yield _bounded(span)

    def _rests(self) -> Iterator[SoundSpan]:
        for key in self._unreported:
            yield from self._report(key)

    def _report(self, key: tuple[str, str]) -> Iterator[SoundSpan]:
        """Report the unreported part of a sound, if it is worth it."""
        span = self._unreported[key]
        if report := _worth(span):
            self._unreported[key] = span._replace(start=span.end)
            yield from report


def _longer(known: SoundSpan, span: SoundSpan) -> SoundSpan:
    """The part of a sound with `span`. Its score is the highest of the part, and not of parts before it."""
    if known.start == known.end:
        return span._replace(start=known.start, end=max(known.end, span.end))
    surer = max(known.heard, span.heard, key=lambda heard: heard.score)
    return known._replace(heard=surer, end=max(known.end, span.end))


def _worth(span: SoundSpan) -> list[SoundSpan]:
    return [_bounded(span)] if span.end - span.start >= LEAST_SPAN else []


def _bounded(span: SoundSpan) -> SoundSpan:
    return span._replace(start=max(span.start, span.end - LONGEST_SPAN))


class RecentSamples:
    """The last samples of a stream, for the audio of a span: 16 bits each, 25 s at most."""

    def __init__(self, start: int) -> None:
        self._end = start
        self._blocks: deque[NDArray[np.int16]] = deque(maxlen=LONGEST_SPAN // STEP + LATE_SECONDS)

    def add(self, samples: Samples) -> None:
        """Add a second of samples, or less at the beginning and the end of the stream."""
        whole = np.rint(samples * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1)
        self._blocks.append(whole.astype(np.int16))
        self._end += samples.size

    def cut(self, start: int, end: int) -> tuple[int, Samples]:
        """Return the samples from `start` to `end` that are still kept, with the start of the first one."""
        samples = np.concatenate([*self._blocks])
        first = self._end - samples.size
        start = max(start, first)
        return start, samples[start - first : max(start, end) - first].astype(np.float32) / np.float32(FULL_SCALE)


class _Hearing:
    """The detectors of a stream, one for each factory that is awake. If a factory changes, the other detectors stay."""

    def __init__(self, factories: Sequence[DetectorFactory]) -> None:
        self._factories = factories
        self._editions = [-1] * len(factories)  # of no factory, so `follow` makes all detectors
        self._made: list[SoundDetector | None] = [None] * len(factories)

    @property
    def detectors(self) -> list[SoundDetector]:
        return [each for each in self._made if each]

    def follow(self, start: int, key: Key) -> None:
        """Make the detectors of new and changed factories."""
        for place, factory in enumerate(self._factories):
            if factory.edition != self._editions[place]:
                self._editions[place] = factory.edition
                self._made[place] = factory.detector(start, key) if factory.awake else None


class SpeakerListener(AudioTrack[Sound | DueWindow]):
    """Gives the sounds of one speaker in one room, and the windows that its detectors wait for.

    `air` makes the detectors of dead air. They hear a stream to its end, also if `pause` ends the other detectors.
    The listener counts no faults of the audio: segment does.
    """

    def __init__(
        self,
        factories: Sequence[DetectorFactory],
        settings: Audio,
        uncounted: Metrics,
        received: ReceivedSamples,
        air: DetectorFactory | None = None,
    ) -> None:
        super().__init__(settings, uncounted, received, lambda: False)
        self._factories = factories
        self._air = air
        self._hearing = _Hearing(factories)
        self._of_room: list[SoundDetector] = []
        """The detector of dead air, if there is one."""
        self._spans = Spans()
        self._recent = RecentSamples(0)
        self._at = 0
        """End of the samples in `_second`."""
        self._second: list[Samples] = []
        """Samples since the last whole second."""

    def begin(self, start: int) -> None:
        self._hearing, self._of_room = _Hearing(self._factories), []
        self._spans, self._recent, self._at, self._second = Spans(), RecentSamples(start), start, []

    def hear(self, samples: Samples) -> Iterator[Sound | DueWindow]:
        while samples.size:
            missing = STEP - self._at % STEP
            part, samples = samples[:missing], samples[missing:]  # ten times as fast as np.split
            self._second.append(part)
            self._at += part.size
            if self._at % STEP == 0:
                found = yield from self._heard()
                yield from self._reported(self._spans.hear(self._at, found))

    def pause(self) -> Iterator[Sound | DueWindow]:
        """Report the sounds up to now, and forget what the detectors remember. Dead air goes on if the stream goes on.

        The last second stays open, so a clip ends before it.
        """
        if not self._hearing.detectors:
            return
        found = yield from _spans_of(each.push(self._unheard()) for each in self._hearing.detectors)
        found += yield from _spans_of(each.flush() for each in self._hearing.detectors)
        self._hearing = _Hearing(self._factories)
        yield from self._reported([*self._spans.hear(self._second_end(), found), *self._spans.flush()])

    def finish(self) -> Iterator[Sound | DueWindow]:
        found = yield from self._heard()
        found += yield from _spans_of(each.flush() for each in (*self._hearing.detectors, *self._of_room))
        self._at = self._second_end()
        yield from self._reported([*self._spans.hear(self._at, found), *self._spans.flush()])

    def _heard(self) -> Generator[DueWindow, None, list[SoundSpan]]:
        """Return what the detectors hear in the samples since the last whole second."""
        second = self._unheard()
        self._second = []
        self._follow(self._at - second.size)
        self._recent.add(second)  # before the detectors, because a span may end in this second
        return (yield from _spans_of(each.push(second) for each in (*self._hearing.detectors, *self._of_room)))

    def _unheard(self) -> Samples:
        """The samples since the last whole second, shape (samples,)."""
        return np.concatenate([np.empty(0, np.float32), *self._second])

    def _second_end(self) -> int:
        return self._at + -self._at % STEP

    def _follow(self, start: int) -> None:
        """Make the detectors if there are none. A detector is made again if its factory has changed."""
        key = self.origin["room"], self.origin["speaker"]
        if self._air and not self._of_room:
            self._of_room = [self._air.detector(start, key)]
        self._hearing.follow(start, key)

    def _reported(self, spans: Iterable[SoundSpan]) -> Iterator[Sound]:
        for span in spans:
            start, samples = self._recent.cut(span.start, span.end)
            if samples.size:  # else they are no longer kept
                yield self._sound(span, start, samples)

    def _sound(self, span: SoundSpan, start: int, samples: Samples) -> Sound:
        return Sound(
            **self.origin,
            id=self._id(span),
            start=start / SAMPLE_RATE,
            end=(start + samples.size) / SAMPLE_RATE,
            **structs.asdict(span.heard),
            label=span.label,
            model=span.model,
            data=encode_flac(samples),
        )

    def _id(self, span: SoundSpan) -> str:
        """The id has the second of the report. The ends of the span may move a little if the audio is read again.

        A sound of the room has an id without speaker, because any of them may report it. Its end never moves.
        """
        speaker, at = ("", span.end) if span.of_room else (self.origin["speaker"], self._second_end())
        parts = self.origin["room"], speaker, *span.key, str(at // STEP)
        return str(uuid5(NAMESPACE, "\x1f".join(("sound", *parts))))


def _spans_of(heard: Iterable[Iterable[SoundSpan | DueWindow]]) -> Generator[DueWindow, None, list[SoundSpan]]:
    """Yield the windows that the detectors wait for, and return the spans."""
    spans = []
    for found in chain.from_iterable(heard):
        if isinstance(found, DueWindow):
            yield found
        else:
            spans.append(found)
    return spans
