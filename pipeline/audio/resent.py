"""Audio that an app sends again after its connection broke: each sample is heard once.

An app cannot know whether audio arrived whose acknowledgement was lost, so it sends that audio again. It gives the
samples the numbers that they had before (docs/integrate.md). By these numbers we know them.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import structs

from pipeline.audio.opus import opus_samples
from pipeline.audio.packets import pack, unpack
from pipeline.audio.pcm import PCM
from pipeline.errors import VoxwardenError
from pipeline.messages import AudioChunk

MAX_SPANS = 16
"""Heard spans of one session that are remembered: more than one only where chunks came in another order."""

SAME_SECONDS = 120.0
"""Samples with one number whose times lie further apart are not the same: the app used a session's id twice."""


@dataclass(slots=True)
class SampleSpan:
    """Samples `first` to `end` (half open) of a session; its sample 0 would begin at `origin`, UTC seconds."""

    first: int
    end: int
    origin: float


class Heard:
    """What was heard of one speaker's present session."""

    def __init__(self) -> None:
        self._session = ""
        self._spans: deque[SampleSpan] = deque(maxlen=MAX_SPANS)

    def fresh(self, chunk: AudioChunk) -> AudioChunk | None:
        """`chunk` without the samples at its head that were heard before; None if that leaves nothing.

        A chunk without a session, or whose samples cannot be counted, is returned as it is.
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
        """The first sample from `first` on that was not heard."""
        same = (span for span in self._spans if abs(span.origin - origin) <= SAME_SECONDS)
        return max((span.end for span in same if span.first <= first), default=first)

    def _note(self, new: SampleSpan) -> None:
        for span in self._spans:
            if span.first <= new.first <= span.end:
                span.end, span.origin = max(span.end, new.end), new.origin
                return
        self._spans.append(new)


class Sessions:
    """`Heard` of each speaker, also after the speaker left: of the `most` who came last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heard: OrderedDict[tuple[str, str], Heard] = OrderedDict()

    def of(self, key: tuple[str, str]) -> Heard:
        """`key`: room and speaker."""
        heard = self._heard.setdefault(key, Heard())
        self._heard.move_to_end(key)
        if len(self._heard) > self._most:
            self._heard.popitem(last=False)
        return heard


def _samples(chunk: AudioChunk) -> int:
    """Of one channel; 0 if they cannot be counted."""
    if chunk.codec in PCM:
        return len(chunk.data) // _sample_bytes(chunk)
    try:
        return sum(map(opus_samples, unpack(chunk.data))) if chunk.codec == "opus_packets" else 0
    except VoxwardenError:
        return 0


def _sample_bytes(chunk: AudioChunk) -> int:
    """Of all channels."""
    return PCM[chunk.codec].itemsize * chunk.channels


def _without(chunk: AudioChunk, skipped: int) -> AudioChunk | None:
    """What is left without the first `skipped` samples. An Opus packet is left out only as a whole."""
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
    """How many samples the packets have that end within the first `skipped`, and the packets after them."""
    total = 0
    for place, packet in enumerate(packets):
        samples = opus_samples(packet)
        if total + samples > skipped:
            return total, packets[place:]
        total += samples
    return total, ()
