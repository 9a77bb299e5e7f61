"""The speakers whom a stage follows: a track for each, and a limit of their number."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from pipeline.contract.messages import AudioChunk
from pipeline.contract.stage import STAGE_FAULTS, Rejected, blamed
from pipeline.settings import Audio
from pipeline.speech.audio.resent import ReceivedSamples, Sessions
from pipeline.speech.audio.track import AudioTrack

Key = tuple[str, str]
"""Room and speaker."""

KEEP_SECONDS = 120.0
"""Seconds after `audio.idle_seconds` for which what must not break off stays open: an outage looks like silence."""

MAX_SPEAKERS = 10_000
"""Open speakers of a partition, which bound the memory: a speaker needs a few hundred kB while speaking."""

Track = TypeVar("Track", bound=AudioTrack[Any])
Out = TypeVar("Out")


class Speakers(Generic[Track, Out]):
    """Gives chunks to the tracks of their speakers. Above MAX_SPEAKERS, the one idle longest ends.

    `new` makes the track of a speaker, `hear` gives what the next chunk leads to, and `end` what the end of the track
    leads to. `clock` returns UTC seconds.
    """

    def __init__(
        self,
        settings: Audio,
        clock: Callable[[], float],
        new: Callable[[Key, ReceivedSamples], Track],
        hear: Callable[[Key, Track, AudioChunk], Iterable[Out | Rejected]],
        end: Callable[[Key, Track], Iterable[Out | Rejected]],
    ) -> None:
        self.tracks: OrderedDict[Key, Track] = OrderedDict()
        """The speaker who is idle longest comes first."""
        self._settings = settings
        self._sessions = Sessions(2 * MAX_SPEAKERS)
        self._clock = clock
        self._new, self._hear, self._end = new, hear, end

    def take(self, chunk: AudioChunk) -> Iterator[Out | Rejected]:
        """Give a chunk to its speaker. After an unexpected error, the chunk is rejected and the speaker forgotten."""
        key = (chunk.room, chunk.speaker)
        try:
            yield from self._follow(key, chunk)
        except STAGE_FAULTS:
            raise
        except Exception as error:
            self.tracks.pop(key, None)  # its state is unknown after the error
            yield Rejected(chunk, blamed(error))

    def end(self, keys: Iterable[Key]) -> Iterator[Out | Rejected]:
        """End the tracks of these speakers, and forget them."""
        for key in keys:
            yield from self._end(key, self.tracks.pop(key))

    def idle(self, now: float) -> list[Key]:
        """The speakers who have sent nothing for `audio.idle_seconds` at `now` (UTC seconds)."""
        idle = []
        for key, track in self.tracks.items():
            if now - track.seen < self._settings.idle_seconds:
                break
            idle.append(key)
        return idle

    def _follow(self, key: Key, chunk: AudioChunk) -> Iterator[Out | Rejected]:
        if key not in self.tracks:
            if len(self.tracks) >= MAX_SPEAKERS:
                yield from self.end([next(iter(self.tracks))])
            self.tracks[key] = self._new(key, self._sessions.of(key))
        self.tracks.move_to_end(key)
        track = self.tracks[key]
        track.seen = self._clock()
        yield from self._hear(key, track, chunk)
        if chunk.final:
            yield from self.end([key])
