"""The listen stage: it takes the audio of all speakers and returns the sounds that its detectors recognise.

Without a detector that is awake, audio passes by undecoded, and nobody is remembered.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import get_args

from pipeline.audio.resent import Sessions
from pipeline.messages import AudioChunk, Sound, SoundKind
from pipeline.metrics import Metrics, from_zero
from pipeline.overload import Valve
from pipeline.settings import Audio, Settings
from pipeline.sound.detector import Ear, Key
from pipeline.sound.events.ear import RULES, EventEar
from pipeline.sound.fingerprints import ear
from pipeline.sound.listener import SpeakerListener
from pipeline.sound.voices.ear import VoiceEar
from pipeline.stage import NO_BACKLOG, STAGE_FAULTS, Backlog, HoldingProcessor, Rejected, blamed

TURN_SECONDS = 60.0
"""Under overload, lots decide for this time whether a speaker is heard: a recording needs seconds to be recognised."""


class Listen(HoldingProcessor[AudioChunk, Sound]):
    """Recognises sounds in each speaker's audio. The result does not depend on other speakers or on the chunk size.

    It acknowledges all audio at once. After a restart, it hears the last seconds before the first batch again, by
    `lead_in`. `clock` returns UTC seconds, and `timer` seconds of any monotonic clock.
    """

    def __init__(
        self,
        ears: Sequence[Ear],
        settings: Audio,
        valve: Valve,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ears = ears
        self._settings = settings
        self._valve = valve
        self._metrics = metrics
        self._uncounted = Metrics()
        self._clock = clock
        self._timer = timer
        self._speakers: OrderedDict[Key, SpeakerListener] = OrderedDict()
        """The speaker who is idle longest comes first."""
        self._sessions = Sessions(2 * settings.max_speakers)
        self._backlog = NO_BACKLOG
        from_zero(metrics.listened, ("heard", "skipped"))
        from_zero(metrics.sounds, get_args(SoundKind))

    def process(self, batch: Sequence[AudioChunk]) -> list[Sound | Rejected]:
        if not self._is_awake():
            return []
        heard = [chunk for chunk in batch if self._hears(chunk)]
        self._metrics.listened.labels("heard").inc(len(heard))
        self._metrics.listened.labels("skipped").inc(len(batch) - len(heard))
        began = self._timer()
        results = [result for chunk in heard for result in self._take(chunk)]
        self._valve.speed.add(len(heard), self._timer() - began)
        return self._counted(results)

    def behind(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._valve.observe(backlog)

    def lead_in(self, earlier: Iterable[AudioChunk], sent: Iterable[Sound] = ()) -> None:
        del sent  # a sound that is sent again has the same id
        if self._is_awake():
            for chunk in earlier:
                deque(self._take(chunk), maxlen=0)

    def tick(self, now: float) -> list[Sound | Rejected]:
        """End the streams of speakers who sent nothing for `idle_seconds`, and forget them."""
        self.behind(replace(self._backlog, waited=0.0))  # ticks come only while no message has waited for long
        idle = []
        for key, speaker in self._speakers.items():
            if now - speaker.seen < self._settings.idle_seconds:
                break
            idle.append(key)
        return self._counted([result for key in idle for result in self._end(key)])

    def drain(self) -> list[Sound | Rejected]:
        return self._counted([result for key in self.speakers() for result in self._end(key)])

    def close(self) -> None:
        self._speakers.clear()

    def needed(self, room: str, speaker: str) -> int:
        return 0

    def held_since(self, room: str, speaker: str) -> float | None:
        return None

    def speakers(self) -> list[Key]:
        """The speakers that the stage follows. The one who is idle longest comes first."""
        return list(self._speakers)

    def _is_awake(self) -> bool:
        for each in self._ears:
            each.look()
        awake = any(each.awake for each in self._ears)
        if not awake:
            self._speakers.clear()
        return awake

    def _hears(self, chunk: AudioChunk) -> bool:
        turn = f"{chunk.room}\x1f{chunk.speaker}\x1f{chunk.start // TURN_SECONDS}"
        return self._valve.draws(turn, chunk.room_type)

    def _take(self, chunk: AudioChunk) -> Iterator[Sound | Rejected]:
        key = (chunk.room, chunk.speaker)
        try:
            yield from self._hear(key, chunk)
        except STAGE_FAULTS:
            raise
        except Exception as error:
            self._speakers.pop(key, None)  # its state is unknown after the error
            yield Rejected(chunk, blamed(error))

    def _hear(self, key: Key, chunk: AudioChunk) -> Iterator[Sound]:
        if key not in self._speakers:
            if len(self._speakers) >= self._settings.max_speakers:
                yield from self._end(next(iter(self._speakers)))
            self._speakers[key] = SpeakerListener(self._ears, self._settings, self._uncounted, self._sessions.of(key))
        self._speakers.move_to_end(key)
        speaker = self._speakers[key]
        speaker.seen = self._clock()
        yield from _sounds(speaker.push(chunk))
        if chunk.final:
            yield from self._end(key)

    def _end(self, key: Key) -> Iterator[Sound]:
        yield from _sounds(self._speakers.pop(key).flush())

    def _counted(self, results: list[Sound | Rejected]) -> list[Sound | Rejected]:
        for result in results:
            if isinstance(result, Sound):
                self._metrics.sounds.labels(result.kind).inc()
        return results


def _sounds(results: Iterable[Sound | Rejected]) -> Iterator[Sound]:
    """Leave out the chunks that cannot be decoded: segment makes dead letters of them."""
    return (result for result in results if isinstance(result, Sound))


def build(settings: Settings, metrics: Metrics) -> Listen:
    """Build the listen stage. All stages of a process share the bank of recordings. Raises DependencyError."""
    recordings = ear.shared(settings)
    metrics.banned_recordings.set_function(lambda: recordings.size)
    sounds = settings.listen.sounds
    ears: list[Ear] = [
        recordings,
        EventEar([kind for kind in sounds if kind in RULES]),
        VoiceEar("voice_change" in sounds, 2 * settings.audio.max_speakers),
    ]
    return Listen(ears, settings.audio, Valve(settings.overload), metrics)
