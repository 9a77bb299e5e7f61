"""Listens to one speaker: all audio, not only speech."""

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
from pipeline.sound.detector import Ear, SoundDetector, SoundSpan
from pipeline.sound.spans import LONGEST, Spans
from pipeline.sound.together import DueWindow
from pipeline.speech.audio.chunk_order import ReceivedSamples
from pipeline.speech.audio.encode import FULL_SCALE, encode_flac
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speaker_tracks import AudioTrack, Key

STEP = SAMPLE_RATE
"""Samples from one decision to the next. Decisions fall on whole seconds, whatever the size of the chunks."""
LATE_SECONDS = 5
"""A span may end this many seconds before it is reported."""


class Recent:
    """The last samples of a stream, for the audio of a span: 16 bits each, 25 s at most."""

    def __init__(self, start: int) -> None:
        self._end = start
        self._blocks: deque[NDArray[np.int16]] = deque(maxlen=LONGEST // STEP + LATE_SECONDS)

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
    """The detectors of a stream, one for each ear that is awake. A changed ear leaves those of the others alone."""

    def __init__(self, ears: Sequence[Ear]) -> None:
        self._ears = ears
        self._editions = [-1] * len(ears)
        self._made: list[SoundDetector | None] = [None] * len(ears)

    @property
    def detectors(self) -> list[SoundDetector]:
        return [each for each in self._made if each]

    def follow(self, start: int, key: Key) -> None:
        """Make the detectors of new and changed ears."""
        for place, ear in enumerate(self._ears):
            if ear.edition != self._editions[place]:
                self._editions[place] = ear.edition
                self._made[place] = ear.detector(start, key) if ear.awake else None


class SpeakerListener(AudioTrack[Sound | DueWindow]):
    """Gives the sounds of one speaker in one room, and the windows that its detectors wait for.

    `air` is the ear for dead air. It hears a stream to its end, also if `pause` ends what the other ears hear.
    It counts no faults of the audio: segment does.
    """

    def __init__(
        self,
        ears: Sequence[Ear],
        settings: Audio,
        uncounted: Metrics,
        received: ReceivedSamples,
        air: Ear | None = None,
    ) -> None:
        super().__init__(settings, uncounted, received, lambda: False)
        self._ears = ears
        self._air = air
        self._hearing = _Hearing(ears)
        self._of_room: list[SoundDetector] = []
        """The detector of dead air, if there is one."""
        self._spans = Spans()
        self._recent = Recent(0)
        self._at = 0
        """End of the samples in `_second`."""
        self._second: list[Samples] = []
        """Samples since the last whole second."""

    def begin(self, start: int) -> None:
        self._hearing, self._of_room = _Hearing(self._ears), []
        self._spans, self._recent, self._at, self._second = Spans(), Recent(start), start, []

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
        """Report the sounds up to now, and forget what the ears remember. Dead air goes on if the stream goes on.

        The last second stays open, so a clip ends before it.
        """
        if not self._hearing.detectors:
            return
        found = yield from _spans(each.push(self._unheard()) for each in self._hearing.detectors)
        found += yield from _spans(each.flush() for each in self._hearing.detectors)
        self._hearing = _Hearing(self._ears)
        yield from self._reported([*self._spans.hear(self._second_end(), found), *self._spans.flush()])

    def finish(self) -> Iterator[Sound | DueWindow]:
        found = yield from self._heard()
        found += yield from _spans(each.flush() for each in (*self._hearing.detectors, *self._of_room))
        self._at = self._second_end()
        yield from self._reported([*self._spans.hear(self._at, found), *self._spans.flush()])

    def _heard(self) -> Generator[DueWindow, None, list[SoundSpan]]:
        """Return what the detectors hear in the samples since the last whole second."""
        second = self._unheard()
        self._second = []
        self._follow(self._at - second.size)
        self._recent.add(second)
        return (yield from _spans(each.push(second) for each in (*self._hearing.detectors, *self._of_room)))

    def _unheard(self) -> Samples:
        """The samples since the last whole second, shape (samples,)."""
        return np.concatenate([np.empty(0, np.float32), *self._second])

    def _second_end(self) -> int:
        return self._at + -self._at % STEP

    def _follow(self, start: int) -> None:
        """Make the detectors if there are none. That of an ear is made again if the ear has changed."""
        key = self.origin["room"], self.origin["speaker"]
        if self._air and not self._of_room:
            self._of_room = [self._air.detector(start, key)]
        self._hearing.follow(start, key)

    def _reported(self, spans: Iterable[SoundSpan]) -> Iterator[Sound]:
        for span in spans:
            start, samples = self._recent.cut(span.start, span.end)
            if samples.size:
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

        That of a sound of the room has no speaker, because any of them may report it, and the end, which never moves.
        """
        speaker, at = ("", span.end) if span.of_room else (self.origin["speaker"], self._second_end())
        parts = self.origin["room"], speaker, *span.key, str(at // STEP)
        return str(uuid5(NAMESPACE, "\x1f".join(("sound", *parts))))


def _spans(heard: Iterable[Iterable[SoundSpan | DueWindow]]) -> Generator[DueWindow, None, list[SoundSpan]]:
    """Yield the windows that the detectors wait for, and return the spans."""
    spans = []
    for found in chain.from_iterable(heard):
        if isinstance(found, DueWindow):
            yield found
        else:
            spans.append(found)
    return spans
