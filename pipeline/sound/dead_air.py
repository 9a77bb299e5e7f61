"""Dead air: audio arrives from a room, but nobody in it is audible. The host has left, or the microphone is dead.

It is a matter of the room. On a grid of times, each speaker whose audio goes on asks whether anybody in the room was
audible for the last seconds. Times are times of the audio. So the reports do not depend on the chunks, on their delays
or on where reading began; after a restart, they only begin later.

Of the silent speakers, the first one by name reports. Others wait for this one, but not for longer than `LATE`.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from weakref import WeakSet, WeakValueDictionary

import numpy as np

from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, HeardSound
from pipeline.sound.listener import LATE_SECONDS, REPORT, STEP
from pipeline.sound.sound_detector import SoundSpan
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speaker_tracks import Key

MODEL = "dead-air@1"
LATE = LATE_SECONDS * SAMPLE_RATE
"""Samples after which a time is judged. The audio of other speakers may be this much behind."""
PART = SAMPLE_RATE // 10
"""Samples of a part: 0.1 s."""
LEAST = 3
"""Parts of a second that must be loud. A click or a knock is shorter."""
LOUD = 1e-5
"""Mean square of the quietest loud part: -50 dB of full scale."""
SPARE = 60
"""Seconds that a room is remembered beyond what a report needs."""
REPORTS = 16
"""Reports that a room remembers. Their speaker may have left before others reach their times."""


class RoomAir:
    """The seconds in which somebody in a room was audible, and the detectors of its speakers. Its memory is bounded.

    If clocks of speakers differ, one room has several times. So the second that was noted first is forgotten first.
    """

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._audible: dict[int, None] = {}
        """Seconds since 1970, in the order in which they were noted."""
        self.detectors: WeakSet[DeadAirDetector] = WeakSet()
        self.reported: deque[int] = deque(maxlen=REPORTS)
        """The times of the last reports, in samples since 1970."""

    def note(self, second: int) -> None:
        """Somebody is audible in this second since 1970."""
        self._audible[second] = None
        if len(self._audible) > 2 * (self._seconds + SPARE):
            del self._audible[next(iter(self._audible))]

    def begin(self, at: int) -> int:
        """Where the silence of a report at `at` must begin at the latest. Both are samples since 1970."""
        return at - self._seconds * SAMPLE_RATE

    def is_dead(self, at: int) -> bool:
        """Whether nobody was audible in the last seconds before `at`, a whole second in samples."""
        return self._audible.keys().isdisjoint(range(self.begin(at) // STEP, at // STEP))

    def reporter(self, at: int, now: int) -> "DeadAirDetector | None":
        """Of the speakers who can still report at `at`, the first one by name, so that only one does.

        Nobody waits for a speaker with an end more than `LATE` before `now`: this audio may never go on.
        """
        able = (each for each in self.detectors if each.can_report(at) and each.end >= now - LATE)
        return min(able, key=lambda each: each.speaker, default=None)


class DeadAirDetector:
    """Listens to one stream of one speaker, which begins at `start`, in 16 kHz samples since 1970 UTC."""

    def __init__(self, room: RoomAir, speaker: str, start: int) -> None:
        self.speaker = speaker
        self._room = room
        self._begin = start + -start % STEP  # the first whole second
        self.end = start
        """End of the stream so far, in samples since 1970."""
        self._due: int | None = None
        """The time of a report that waits for another speaker."""
        room.detectors.add(self)

    def push(self, samples: Samples) -> Sequence[SoundSpan]:
        if not samples.size:
            return ()
        self.end += samples.size
        if is_audible(samples):
            # The samples end at the end of a second at the latest, so they all lie in this second.
            self._room.note((self.end - 1) // STEP)
        at = self.end - LATE
        if at % REPORT == 0 and self._covers(at):
            self._due = at
        if self._due is None or self._room.reporter(self._due, self.end) is not self:
            return ()
        return [*self._report()]

    def flush(self) -> Sequence[SoundSpan]:
        self._room.detectors.discard(self)
        return [*self._report()]  # it cannot wait any longer for another speaker

    def can_report(self, at: int) -> bool:
        """Whether a report at `at` waits for this speaker, or would if the stream goes on."""
        return at == self._due or (self._covers(at) and self.end < at + LATE)

    def _covers(self, at: int) -> bool:
        """Whether the stream has audio for all of the silence of a report at `at`."""
        return self._begin <= self._room.begin(at) and at <= self.end

    def _report(self) -> Iterator[SoundSpan]:
        """Report the last 15 s before the due time, if they are dead. The reports of a long silence touch."""
        at, self._due = self._due, None
        if at is not None and at not in self._room.reported and self._room.is_dead(at):
            self._room.reported.append(at)
            yield SoundSpan(HeardSound(kind="dead_air", score=1.0), "", at - REPORT, at, MODEL, of_room=True)


class DeadAirDetectors:
    """Makes the detectors of dead air. `seconds` is the least silence that is reported."""

    edition = 0
    awake = True

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._rooms: WeakValueDictionary[str, RoomAir] = WeakValueDictionary()

    @property
    def size(self) -> int:
        """The number of rooms in memory."""
        return len(self._rooms)

    def look(self) -> None:
        """Nothing outside of the process changes these detectors."""

    def detector(self, start: int, key: Key) -> DeadAirDetector:
        """Return the detector of a speaker. The room is forgotten with its last speaker."""
        room, speaker = key
        return DeadAirDetector(self._rooms.setdefault(room, RoomAir(self._seconds)), speaker, start)

    def leave_out(self, chunk: AudioChunk) -> None:
        """Count a chunk that the stage leaves out as audible: overload must not look like dead air."""
        if room := self._rooms.get(chunk.room):
            room.note(int(chunk.start))


def is_audible(samples: Samples) -> bool:
    """Whether a second of audio, or less, has sound: shape (samples,)."""
    parts = samples[: samples.size // PART * PART].reshape(-1, PART)
    return int(np.count_nonzero(np.square(parts).mean(axis=1) >= LOUD)) >= LEAST
