"""The listen stage: it takes the audio of all speakers and returns the sounds that its detectors recognise.

Without a detector that is awake, audio passes by undecoded, and nobody is remembered.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import get_args

from pipeline.base.metrics import Metrics, from_zero
from pipeline.contract.messages import AudioChunk, HeardKind, Sound
from pipeline.contract.stage import NO_BACKLOG, Backlog, HoldingProcessor, Rejected
from pipeline.settings import Audio, Settings
from pipeline.sound.dead_air import DeadAirDetectors
from pipeline.sound.event_detector import EventDetectors
from pipeline.sound.fingerprints import recording_detector
from pipeline.sound.listener import SpeakerListener
from pipeline.sound.sound_detector import DetectorFactory, DueWindow, together
from pipeline.sound.user_model_detector import user_model_detectors
from pipeline.sound.voice_change_detector import VoiceChangeDetectors
from pipeline.sound.yamnet_detector import yamnet_detectors
from pipeline.speech.audio.chunk_order import ReceivedSamples
from pipeline.speech.audio.speaker_tracks import KEEP_SECONDS, MAX_SPEAKERS, Key, SpeakerTracks
from pipeline.speech.load_shedding import Valve

REMEMBERED = 60.0
"""Seconds of work after which an earlier batch counts a third of the last one."""


class Pace:
    """The mean time of a chunk over the last batches. It sees that work comes in bursts, as a median cannot."""

    def __init__(self) -> None:
        self._chunks = 0.0
        self._seconds = 0.0

    def add(self, chunks: int, seconds: float) -> float:
        """Take a batch that needed `seconds`. Return the seconds that its chunks would need on average."""
        kept = math.exp(-seconds / REMEMBERED)
        self._chunks = self._chunks * kept + chunks
        self._seconds = self._seconds * kept + seconds
        return self._seconds * chunks / self._chunks if chunks else 0.0


log = logging.getLogger(__name__)

TURN_SECONDS = 60.0
"""Under overload, lots decide for this time whether a speaker is heard: a recording needs seconds to be recognised."""


class Listen(HoldingProcessor[AudioChunk, Sound]):
    """Recognises sounds in each speaker's audio. The result does not depend on other speakers or on the chunk size.

    The chunks of a speaker are heard in order. Different speakers are heard side by side, for models that hear batches.
    With `air`, it also tells when nobody in a room is audible. Then the chunks of a room are heard in order.

    It acknowledges all audio at once. After a restart, it hears the last seconds before the first batch again, by
    `lead_in`. `clock` returns UTC seconds, and `timer` seconds of any monotonic clock.
    """

    def __init__(
        self,
        factories: Sequence[DetectorFactory],
        settings: Audio,
        valve: Valve,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
        air: DeadAirDetectors | None = None,
    ) -> None:
        self._factories = factories
        self._settings = settings
        self._valve = valve
        self._metrics = metrics
        self._uncounted = Metrics()  # segment counts the faults of the same audio
        self._timer = timer
        self._air = air
        self._speakers: SpeakerTracks[SpeakerListener, Sound | DueWindow] = SpeakerTracks(
            settings, clock, self._listener, _hear, _end
        )
        self._backlog = NO_BACKLOG
        self._pace = Pace()
        from_zero(metrics.listened, ("heard", "skipped"))
        from_zero(metrics.sounds, get_args(HeardKind))

    def process(self, batch: Sequence[AudioChunk]) -> list[Sound | Rejected]:
        if not self._is_awake():
            return []
        heard = [chunk for chunk in batch if self._hears(chunk)]
        self._metrics.listened.labels("heard").inc(len(heard))
        self._metrics.listened.labels("skipped").inc(len(batch) - len(heard))
        began = self._timer()
        results = self._take_all(heard)
        self._valve.speed.add(len(heard), self._pace.add(len(heard), self._timer() - began))
        return self._counted(results)

    def behind(self, backlog: Backlog) -> None:
        before = self._valve.pressure
        self._backlog = backlog
        self._valve.observe(backlog)
        if self._valve.pressure and not before:
            log.warning("overload: audio waits for %.0f s; the audio of some speakers is left out", backlog.waited)
        elif before and not self._valve.pressure:
            log.warning("overload ended: the audio of all speakers is heard")

    def spared(self) -> None:
        self._metrics.listened.labels("skipped").inc()

    def lead_in(self, earlier: Iterable[AudioChunk], sent: Iterable[Sound] = (), *, whole: bool = False) -> None:
        del sent, whole  # a sound that is sent again has the same id
        if self._is_awake():
            self._take_all(earlier)

    def tick(self, now: float) -> list[Sound | Rejected]:
        """Report the sounds of speakers who sent nothing for `idle_seconds`, and forget these speakers.

        With `air` their streams stay open for `KEEP_SECONDS`: in an outage, silence would never last long enough.
        """
        self.behind(replace(self._backlog, waited=0.0))  # ticks come only while no message has waited for long
        if not self._air:
            return self._counted(self._end_all(self._speakers.idle(now)))
        paused = [self._speakers.tracks[key].pause() for key in self._speakers.idle(now)]
        ended = self._speakers.idle(now - KEEP_SECONDS)  # idle for KEEP_SECONDS longer
        return self._counted([*together(paused), *self._end_all(ended)])

    def drain(self) -> list[Sound | Rejected]:
        return self._counted(self._end_all(self.speakers()))

    def close(self) -> None:
        self._speakers.tracks.clear()

    def needed(self, room: str, speaker: str) -> int:
        return 0

    def speakers(self) -> list[Key]:
        """The speakers that the stage follows. The one who is idle longest comes first."""
        return list(self._speakers.tracks)

    def _is_awake(self) -> bool:
        for each in self._factories:
            each.look()
        awake = self._air is not None or any(each.awake for each in self._factories)
        if not awake:
            self._speakers.tracks.clear()
        return awake

    def _hears(self, chunk: AudioChunk) -> bool:
        # By the time of the audio, so that audio that comes again draws the same lot.
        turn = f"{chunk.room}\x1f{chunk.speaker}\x1f{chunk.start // TURN_SECONDS}"
        heard = self._valve.draws(turn, chunk.room_type)
        if self._air and not heard:
            self._air.leave_out(chunk)
        return heard

    def _listener(self, key: Key, received: ReceivedSamples) -> SpeakerListener:
        del key  # the chunks have it
        return SpeakerListener(self._factories, self._settings, self._uncounted, received, self._air)

    def _take_all(self, chunks: Iterable[AudioChunk]) -> list[Sound | Rejected]:
        lines: dict[Key, list[AudioChunk]] = {}
        for chunk in chunks:
            # Dead air needs the order of the room.
            lines.setdefault((chunk.room, "" if self._air else chunk.speaker), []).append(chunk)
        return together([chain.from_iterable(map(self._speakers.take, line)) for line in lines.values()])

    def _end_all(self, keys: Iterable[Key]) -> list[Sound | Rejected]:
        return together([self._speakers.end([key]) for key in keys])

    def _counted(self, results: list[Sound | Rejected]) -> list[Sound | Rejected]:
        for result in results:
            if isinstance(result, Sound):
                self._metrics.sounds.labels(result.kind).inc()
        return results


def _hear(_: Key, speaker: SpeakerListener, chunk: AudioChunk) -> Iterator[Sound | DueWindow]:
    return _decoded(speaker.push(chunk))


def _end(_: Key, speaker: SpeakerListener) -> Iterator[Sound | DueWindow]:
    return _decoded(speaker.flush())


def _decoded(results: Iterable[Sound | DueWindow | Rejected]) -> Iterator[Sound | DueWindow]:
    """Leave out the chunks that cannot be decoded: segment makes dead letters of them."""
    return (result for result in results if not isinstance(result, Rejected))


def build(settings: Settings, metrics: Metrics, bank: recording_detector.RecordingBank) -> Listen:
    """Build the listen stage. All stages of a process share the `bank`, and the audio classifier of users.

    Raises ConfigError or DependencyError.
    """
    recordings = recording_detector.shared_recording_detectors(settings.database_url, bank)
    metrics.banned_recordings.set_function(lambda: recordings.size)
    sounds = settings.listen.sounds
    factories: list[DetectorFactory] = [
        recordings,
        EventDetectors(sounds),
        VoiceChangeDetectors("voice_change" in sounds, 2 * MAX_SPEAKERS),  # also speakers who left
    ]
    if heard := yamnet_detectors(settings.listen):
        factories.append(heard)
    if brought := user_model_detectors(settings, metrics):
        factories.append(brought)
    air = DeadAirDetectors(settings.listen.dead_air_seconds) if "dead_air" in sounds else None
    return Listen(factories, settings.audio, Valve(settings.overload), metrics, air=air)
