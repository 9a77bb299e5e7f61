"""Removes samples that an app sends a second time after its connection broke.

If an acknowledgement is lost, the app cannot know whether the audio arrived, so it sends the audio again. The samples
keep the numbers that they had before (docs/integrate.md). The segment stage recognises them by these numbers.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import structs

from pipeline.base.errors import VoxwardenError
from pipeline.contract.messages import AudioChunk
from pipeline.speech.audio.opus import opus_samples
from pipeline.speech.audio.packets import pack, unpack
from pipeline.speech.audio.pcm import PCM

MAX_SPANS = 16
"""Maximum spans of received samples per session. There is more than one only if chunks arrived out of order."""

SAME_SECONDS = 120.0
"""If the times of two samples with the same number differ by more, the app has used one session id twice. Then both
samples are used."""


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

    def _known(self, first: int, origin: float) -> int:
        """The number of the first new sample, from `first` on."""
        same = (span for span in self._spans if abs(span.origin - origin) <= SAME_SECONDS)
        return max((span.end for span in same if span.first <= first), default=first)

    def _note(self, new: SampleSpan) -> None:
        for span in self._spans:
            if span.first <= new.first <= span.end:
                span.end, span.origin = max(span.end, new.end), new.origin
                return
        self._spans.append(new)


class Sessions:
    """The `ReceivedSamples` of each speaker, also after the speaker left. It remembers the `most` latest speakers."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._received: OrderedDict[tuple[str, str], ReceivedSamples] = OrderedDict()

    def of(self, key: tuple[str, str]) -> ReceivedSamples:
        """The `ReceivedSamples` of a speaker. `key` is (room, speaker)."""
        received = self._received.setdefault(key, ReceivedSamples())
        self._received.move_to_end(key)
        if len(self._received) > self._most:
            self._received.popitem(last=False)
        return received


def _samples(chunk: AudioChunk) -> int:
    """Number of samples per channel; 0 if they cannot be counted."""
    if chunk.codec in PCM:
        return len(chunk.data) // _sample_bytes(chunk)
    try:
        return sum(map(opus_samples, unpack(chunk.data))) if chunk.codec == "opus_packets" else 0
    except VoxwardenError:
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
        skipped, packets = _later(unpack(chunk.data), skipped)
        data = pack(packets)
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
