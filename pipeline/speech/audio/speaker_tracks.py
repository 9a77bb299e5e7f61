"""Follows the speakers of a stage: turns the chunks of each into audio without gaps (order, decode, align in time)."""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np

from pipeline.base.errors import BadMessage, VoxwardenError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, origin, sample_of
from pipeline.contract.stage import STAGE_FAULTS, Rejected, blamed
from pipeline.settings import Audio
from pipeline.speech.audio.chunk_order import ChunkOrder, Ordered, ReceivedSamples, Sessions
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.stream_decoder import StreamDecoder

Found = TypeVar("Found")

JITTER = SAMPLE_RATE // 10
"""Largest deviation in samples between the times of consecutive chunks that does not count as missing audio."""

MAX_GAP = 2 * SAMPLE_RATE
"""Longest gap in samples that is filled with silence. A longer one is a pause of the speaker, or a new connection."""

REORDERED_CHUNKS = 8
"""Chunks held while an earlier one is missing. Then it counts as lost, so that speech does not wait for it."""

AHEAD_SECONDS = 24 * 3600.0
"""A chunk whose time is further in the future has a wrong clock."""


Key = tuple[str, str]
"""Room and speaker."""

MAX_SPEAKERS = 10_000
"""Open speakers of a partition, which bound the memory: a speaker needs a few hundred kB while speaking."""

KEEP_SECONDS = 120.0
"""Seconds after `audio.idle_seconds` for which unfinished speech and streams stay open. An outage is like silence."""


class AudioTrack(ABC, Generic[Found]):
    """The audio of one speaker in one room, as streams without a gap. A subclass finds something in it.

    Times are counted in 16 kHz samples since 1970 UTC. The memory of a track is bounded: see `ChunkOrder`.
    """

    def __init__(
        self, settings: Audio, metrics: Metrics, received: ReceivedSamples, example: Callable[[], bool]
    ) -> None:
        """`example` says whether a packet that cannot be decoded should become a dead letter."""
        self.seen = 0.0
        """UTC seconds, by the stage's clock, at which the speaker's last chunk was processed."""
        self.end: int | None = None
        """End of the stream so far; None if there is none."""
        self.origin: dict[str, Any] = {}
        """The fields of `Message` but `start`, from the last chunk."""
        self._settings = settings
        self._metrics = metrics
        self._received = received
        self._example = example
        self._decoder = StreamDecoder()
        self._order = ChunkOrder(REORDERED_CHUNKS, metrics.sequence_faults)
        self._set_back = False
        """The last chunk began far before the end of the stream, and its time was ignored."""

    @abstractmethod
    def begin(self, start: int) -> None:
        """A stream begins at sample `start`."""

    @abstractmethod
    def hear(self, samples: Samples) -> Iterator[Found]:
        """The stream goes on by `samples`, shape (samples,)."""

    @abstractmethod
    def finish(self) -> Iterator[Found]:
        """The stream ends."""

    def heard(self, ordered: Ordered) -> None:
        """All audio of a chunk was heard."""

    def push(self, chunk: AudioChunk) -> Iterator[Found | Rejected]:
        """Process a chunk. Yields the findings in it, and the chunks that cannot be decoded."""
        for ordered in self._order.push(chunk):
            yield from self._take(ordered)

    def flush(self) -> Iterator[Found | Rejected]:
        """Process all held chunks, and end the speaker's audio."""
        yield from self.catch_up()
        yield from self._end()

    def catch_up(self) -> Iterator[Found | Rejected]:
        """Process the waiting chunks, although chunks before them are missing."""
        for ordered in self._order.flush():
            yield from self._take(ordered)

    def _take(self, ordered: Ordered) -> Iterator[Found | Rejected]:
        chunk = self._received.fresh(ordered.chunk)
        if chunk is not ordered.chunk:
            self._metrics.sequence_faults.labels("resent").inc()
        if chunk is None:
            return
        yield from self._align(sample_of(chunk.start), after_gap=ordered.after_gap)
        yield from self._listen(chunk)
        self.heard(ordered)

    def _listen(self, chunk: AudioChunk) -> Iterator[Found | Rejected]:
        self.origin = origin(chunk, without=("start",))
        before = self._decoder.concealed
        samples = self._decode(chunk)
        if isinstance(samples, Rejected):
            yield samples
            return
        if packets := self._decoder.concealed - before:
            yield self._concealed(chunk, packets)
        yield from self._hear(samples)

    def _decode(self, chunk: AudioChunk) -> Samples | Rejected:
        before = self._decoder.not_numbers
        try:
            samples = self._decoder.decode(chunk)
        except VoxwardenError as error:
            return Rejected(chunk, error)
        except MemoryError:  # not the fault of this chunk
            raise
        except Exception as error:  # any other error, from FFmpeg or a bug of ours, is caused by this chunk
            self._decoder = StreamDecoder()  # the state of the old one is unknown now
            return Rejected(chunk, blamed(error))
        self._metrics.repaired_samples.inc(self._decoder.not_numbers - before)
        self._metrics.audio_seconds.inc(samples.size / SAMPLE_RATE)
        return samples

    def _concealed(self, chunk: AudioChunk, packets: int) -> Rejected:
        self._metrics.concealed_packets.inc(packets)
        error = BadMessage(
            f"{packets} Opus packets of chunk {chunk.sequence} cannot be decoded and became silence",
            "Send bare packets. This letter is an example: there is at most one per speaker and minute.",
        )
        return Rejected(chunk, error, letter=self._example())

    def _align(self, start: int, *, after_gap: bool) -> Iterator[Found]:
        """Fill a small gap before `start` with silence, so that times stay correct. A large gap starts a new stream.

        If a chunk seems to start before the stream's end, by less than the largest gap, its clock has drifted and the
        chunk is appended. A chunk with a wrong clock is appended, too.
        """
        if self.end is not None:
            if abs(start - self.end) <= MAX_GAP:
                self._set_back = False
                # After a gap, a small difference is not jitter but missing audio.
                yield from self._fill(start, self.end, 0 if after_gap else JITTER)
            elif after_gap or not self._clock_is_wrong(start, self.end):
                yield from self._end()
        if self.end is None:
            self.end = start
            self.begin(start)

    def _fill(self, start: int, end: int, tolerance: int) -> Iterator[Found]:
        if start - end > tolerance:
            rest = self._decoder.flush()  # the samples in its filter come before the gap
            yield from self._hear(rest)
            yield from self._hear(np.zeros(max(0, start - end - rest.size), np.float32))

    def _clock_is_wrong(self, start: int, end: int) -> bool:
        """Whether to ignore a `start` that is far from the stream's `end`, although no chunk is missing.

        A time in the future is ignored. A time before the end is ignored once. If the next chunk's time is also before
        the end, the app's clock was set back. Any other jump forward means that the speaker was muted.
        """
        latest = (self.seen + AHEAD_SECONDS) * SAMPLE_RATE
        self._set_back = start < end and not self._set_back
        wrong = self._set_back or (start > latest >= end)
        if start < end or wrong:
            self._metrics.sequence_faults.labels("clock").inc()
        return wrong

    def _hear(self, samples: Samples) -> Iterator[Found]:
        if self.end is not None:
            self.end += samples.size
            yield from self.hear(samples)

    def _end(self) -> Iterator[Found]:
        if self.end is not None:
            yield from self._hear(self._decoder.flush())
            yield from self.finish()
        self.end = None
        self._set_back = False


Track = TypeVar("Track", bound=AudioTrack[Any])
Out = TypeVar("Out")


class SpeakerTracks(Generic[Track, Out]):
    """Gives chunks to the tracks of their speakers. Above MAX_SPEAKERS, the one idle longest ends.

    `new` makes the track of a speaker. `hear` takes the next chunk, and returns the findings in it. `end` returns the
    findings at the end of a track. `clock` returns UTC seconds.
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
        self._sessions = Sessions(2 * MAX_SPEAKERS)  # speakers who left may send their audio again
        self._clock = clock
        self._new, self._hear, self._end = new, hear, end

    def take(self, chunk: AudioChunk) -> Iterator[Out | Rejected]:
        """Give a chunk to its speaker. After an unexpected error, the chunk is rejected and the speaker forgotten."""
        key = (chunk.room, chunk.speaker)
        try:
            yield from self._follow(key, chunk)
        except STAGE_FAULTS:
            raise  # not the fault of this chunk
        except Exception as error:
            self.tracks.pop(key, None)  # its state is unknown after the error
            yield Rejected(chunk, blamed(error))

    def take_earlier(self, chunk: AudioChunk) -> Iterator[Out | Rejected]:
        """Take a chunk that was taken before, by a worker that had heard all audio before it."""
        key = (chunk.room, chunk.speaker)
        if key not in self.tracks:
            # Else audio before it that was sent again, and follows later, would begin a new stream.
            self._sessions.of(key).skip_before(chunk)
        yield from self.take(chunk)

    def end(self, keys: Iterable[Key]) -> Iterator[Out | Rejected]:
        """End the tracks of these speakers, and forget them."""
        for key in keys:
            yield from self._end(key, self.tracks.pop(key))

    def idle(self, now: float) -> list[Key]:
        """The speakers who have sent nothing for `audio.idle_seconds` at `now` (UTC seconds)."""
        idle = []
        for key, track in self.tracks.items():
            if now - track.seen < self._settings.idle_seconds:
                break  # all others sent something later
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
