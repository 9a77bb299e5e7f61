"""Sorts the chunks of one speaker by sequence number, and removes the samples that an app sends a second time.

If a connection breaks, an acknowledgement may be lost. Then the app cannot know whether the audio arrived, so it sends
the audio again. The samples keep the numbers that they had before (docs/integrate.md), and are recognised by them.
"""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from msgspec import structs
from prometheus_client import Counter

from pipeline.base.errors import VoxwardenError
from pipeline.base.recent_dict import RecentDict
from pipeline.contract.messages import AudioChunk
from pipeline.speech.audio.stream_codecs import PCM, join_packets, opus_samples, split_packets

REMEMBERED = 128
"""Number of returned chunks, and of skipped sequence numbers, that are recognised when they come again."""


MAX_SPANS = 16
"""Maximum spans of received samples per session. There is more than one only if chunks arrived out of order."""

SAME_SECONDS = 120.0
"""If the times of two samples with the same number differ by more, the app has used one session id twice. Then both
samples are used."""

FAULTS = ("late", "duplicate", "reordered", "gap", "restart", "clock", "resent")
"""Values of the label `result` of `voxwarden_sequence_faults_total`."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """A chunk in its turn."""

    chunk: AudioChunk
    arrival: int
    """Number of the chunk in order of arrival, from 1."""
    after_gap: bool = False
    """Chunks before this one are missing, or the app restarted its numbering."""


class ChunkOrder:
    """Holds up to `ahead` chunks that come before their turn. Then it skips the missing chunk.

    It counts these faults:
    - `late`: the chunk came after its number was skipped, or after chunks with larger numbers had begun. It is dropped.
    - `duplicate`: a chunk with the same number already waits for its turn. Or one of the last REMEMBERED chunks had the
      same number, start and size. The chunk is dropped.
    - `reordered`: the chunk came late, but in time to fill its gap.
    - `gap`: chunks are missing.
    - `restart`: any other number that is smaller than expected. The app has restarted its numbering. The chunk is kept,
      and counting goes on from its number. Its start may be earlier or later than the one before, because the app's
      clock may have been set back.
    """

    def __init__(self, ahead: int, faults: Counter) -> None:
        self._ahead = ahead
        self._faults = faults
        self._expected: int | None = None
        self._waiting: dict[int, Ordered] = {}
        self._given: deque[tuple[int, float, int]] = deque(maxlen=REMEMBERED)
        """Number, start and size in bytes. The size matters: a new connection may group the same audio differently."""
        self._given_up: deque[int] = deque(maxlen=REMEMBERED)
        self.arrived = 0
        """Number of chunks so far."""

    @property
    def waiting(self) -> Collection[Ordered]:
        """The chunks that wait for a missing chunk before them."""
        return self._waiting.values()

    def push(self, chunk: AudioChunk) -> Iterator[Ordered]:
        """Add `chunk`. Yields the chunks whose turn has come."""
        self.arrived += 1
        if self._expected is None:
            self._expected = chunk.sequence
        if chunk.sequence < self._expected:
            yield from self._behind(chunk)
        elif chunk.sequence in self._waiting:
            self._count("duplicate")
        else:
            if self._waiting and chunk.sequence < max(self._waiting):
                self._count("reordered")
            self._waiting[chunk.sequence] = Ordered(chunk, self.arrived)
            yield from self._in_turn()
            if chunk.final:  # a chunk that is still missing will not come
                yield from self.flush()
            elif len(self._waiting) > self._ahead:
                yield from self._skip()
        self._drop_strays()

    def flush(self) -> Iterator[Ordered]:
        """Yield all waiting chunks in order, and skip the gaps between them."""
        while self._waiting:
            yield from self._skip()

    def _behind(self, chunk: AudioChunk) -> Iterator[Ordered]:
        if chunk.sequence in self._given_up or self._precedes_first(chunk):
            self._count("late")
        elif _identity(chunk) in self._given:
            self._count("duplicate")
        else:
            yield from self.flush()
            self._count("restart")
            self._given_up.clear()  # the numbers now belong to other chunks
            yield self._give(Ordered(chunk, self.arrived, after_gap=True))

    def _precedes_first(self, chunk: AudioChunk) -> bool:
        """Whether the chunk belongs shortly before the first chunk that came, and not to another session."""
        first, start, _ = self._given[0]
        near = first - self._ahead <= chunk.sequence < first
        return near and chunk.start <= start and len(self._given) <= self._ahead

    def _skip(self) -> Iterator[Ordered]:
        """Skip the missing chunks before the first waiting chunk."""
        first = min(self._waiting)
        if gap := first != self._expected:
            self._count("gap")
            # Only the last numbers: an app may skip millions.
            self._given_up.extend(range(max(self._expected or 0, first - REMEMBERED), first))
        yield self._give(replace(self._waiting.pop(first), after_gap=gap))
        yield from self._in_turn()

    def _in_turn(self) -> Iterator[Ordered]:
        while self._expected in self._waiting:
            yield self._give(self._waiting.pop(self._expected))

    def _give(self, ordered: Ordered) -> Ordered:
        self._expected = ordered.chunk.sequence + 1
        self._given.append(_identity(ordered.chunk))
        return ordered

    def _drop_strays(self) -> None:
        """Drop chunks that wait while many smaller numbers arrive. They belong to an ended session, and would never
        have their turn."""
        oldest = self.arrived - 2 * (self._ahead + 1)
        for stray in [number for number, each in self._waiting.items() if each.arrival < oldest]:
            del self._waiting[stray]
            self._count("late")

    def _count(self, result: str) -> None:
        self._faults.labels(result).inc()


def _identity(chunk: AudioChunk) -> tuple[int, float, int]:
    return chunk.sequence, chunk.start, len(chunk.data)


@dataclass(slots=True)
class SampleSpan:
    """Samples `first` to `end` (half open) of a session. `origin` is the time of its sample 0 in UTC seconds."""

    first: int
    end: int
    origin: float


class ReceivedSamples:
    """The samples of one speaker's current session that were received."""

    def __init__(self) -> None:
        self._session = ""
        self._spans: deque[SampleSpan] = deque(maxlen=MAX_SPANS)

    def fresh(self, chunk: AudioChunk) -> AudioChunk | None:
        """Remove the samples at the start of `chunk` that were received before. Returns None if no samples remain.

        A chunk is returned unchanged if it has no session or if its samples cannot be counted.
        """
        samples = _samples(chunk) if chunk.session else 0
        if not samples:
            return chunk
        if chunk.session != self._session:
            self._session = chunk.session
            self._spans.clear()
        first, origin = chunk.first_sample, chunk.start - chunk.first_sample / chunk.sample_rate
        known = self._known(first, origin)
        self._note(SampleSpan(first, first + samples, origin))
        return _without(chunk, known - first)

    def skip_before(self, chunk: AudioChunk) -> None:
        """Count all earlier samples of the session of `chunk` as received. No chunk of this speaker was seen yet."""
        self._session = chunk.session
        self._note(SampleSpan(0, chunk.first_sample, chunk.start - chunk.first_sample / chunk.sample_rate))

    def _known(self, first: int, origin: float) -> int:
        """The number of the first new sample, from `first` on."""
        same = (span for span in self._spans if abs(span.origin - origin) <= SAME_SECONDS)
        return max((span.end for span in same if span.first <= first), default=first)

    def _note(self, new: SampleSpan) -> None:
        for span in self._spans:
            if span.first <= new.first <= span.end:
                span.end, span.origin = max(span.end, new.end), new.origin
                return
        # Spans that meet later stay apart: `_known` looks at all of them.
        self._spans.append(new)


class Sessions:
    """The `ReceivedSamples` of each speaker, also after the speaker left. It remembers the `most` latest speakers."""

    def __init__(self, most: int) -> None:
        self._received = RecentDict[tuple[str, str], ReceivedSamples](most)

    def of(self, key: tuple[str, str]) -> ReceivedSamples:
        """The `ReceivedSamples` of a speaker. `key` is (room, speaker)."""
        received = self._received[key] = self._received.get(key) or ReceivedSamples()
        return received


def _samples(chunk: AudioChunk) -> int:
    """Number of samples per channel; 0 if they cannot be counted."""
    if chunk.codec in PCM:
        return len(chunk.data) // _sample_bytes(chunk)
    try:
        return sum(map(opus_samples, split_packets(chunk.data))) if chunk.codec == "opus_packets" else 0
    except VoxwardenError:  # the decoder will report it
        return 0


def _sample_bytes(chunk: AudioChunk) -> int:
    """Bytes of one sample in all channels."""
    return PCM[chunk.codec].itemsize * chunk.channels


def _without(chunk: AudioChunk, skipped: int) -> AudioChunk | None:
    """Remove the first `skipped` samples. An Opus packet is removed only if all its samples are skipped."""
    if skipped <= 0:
        return chunk
    if chunk.codec in PCM:
        data = chunk.data[skipped * _sample_bytes(chunk) :]
    else:
        skipped, packets = _later(split_packets(chunk.data), skipped)
        data = join_packets(packets)
    if not data:
        return None
    start = chunk.start + skipped / chunk.sample_rate
    return structs.replace(chunk, start=start, first_sample=chunk.first_sample + skipped, data=data)


def _later(packets: Sequence[bytes], skipped: int) -> tuple[int, Sequence[bytes]]:
    """The samples in the packets that lie completely within the first `skipped`, and the packets after these."""
    total = 0
    for place, packet in enumerate(packets):
        samples = opus_samples(packet)
        if total + samples > skipped:
            return total, packets[place:]
        total += samples
    return total, ()
