"""Decode the packets of a stream to 16 kHz mono 16-bit PCM, and place them in time by their RTP timestamps.

Sequence numbers in a row whose timestamps have a gap are a pause: Opus sends almost nothing then (DTX), and marks the
first packet after it. A missing number is a lost packet. Both become silence. Only lost packets are counted.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from pipeline.base.errors import InputError
from pipeline.connect.client.frame_queue import GAP_SECONDS
from pipeline.connect.rtp.jitter_buffer import InTurn
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk
from pipeline.speech.audio.encode import to_pcm16
from pipeline.speech.audio.stream_codecs import MAX_PACKET, OPUS_RATE, checked_samples
from pipeline.speech.audio.stream_decoder import StreamDecoder

RtpCodec = Literal["opus", "pcma", "pcmu"]

CLOCK: dict[RtpCodec, int] = {"opus": OPUS_RATE, "pcma": 8_000, "pcmu": 8_000}
"""Ticks of the timestamp in a second, which is also the rate of the decoded audio."""
TYPES: dict[RtpCodec, range] = {"opus": range(96, 128), "pcma": range(8, 9), "pcmu": range(1)}
"""The payload types of a codec, if the app does not name one (RFC 3551, section 6)."""
LAW: dict[RtpCodec, str] = {"pcma": "pcm_alaw", "pcmu": "pcm_mulaw"}
"""FFmpeg's names of G.711."""
CHANNELS = 2
"""Opus in RTP always has two channels (RFC 7587). A packet with one is decoded to two equal ones."""
FILLED_SECONDS = 2.0
"""A longer pause is not filled. The audio after it has its own start."""
STRAY_SECONDS = 5.0
"""Audio whose timestamp is further from its arrival is dated by its arrival. Its timestamps stood still in a pause, or
jumped. A stall of the network is shorter. After a pause the limit is GAP_SECONDS, because two clocks drift apart."""
WIDTH = 2
"""Bytes of a sample."""


@dataclass(frozen=True, slots=True)
class Placed:
    """16-bit PCM, 16 kHz mono, and the UTC seconds of its first sample."""

    pcm: bytes
    start: float

    @property
    def end(self) -> float:
        return self.start + len(self.pcm) / WIDTH / SAMPLE_RATE


class Timeline:
    """Decodes one stream and dates it. `utc` converts a monotonic time of arrival to UTC seconds.

    `unheard` gets seconds with their reason: loss, or broken (packets that cannot be decoded).
    """

    def __init__(self, codec: RtpCodec, utc: Callable[[float], float], unheard: Callable[[str, float], None]) -> None:
        self._codec = codec
        self._rate = CLOCK[codec]
        self._utc = utc
        self._unheard = unheard
        self._decoder = RtpDecoder(codec)
        self._began: float | None = None
        """UTC seconds at which the run began. A run is audio without a jump."""
        self._ticks = 0
        """Length of the run."""
        self._samples = 0
        """Samples of the run that were given out. The filter holds the rest."""
        self._next = 0
        """The timestamp that continues the run."""
        self._usual = self._rate // 50
        """Ticks of the packet before. At the start 20 ms, which most senders use."""

    def put(self, turn: InTurn) -> Iterator[Placed]:
        """Take the next packet. Yield its audio, after the silence before it."""
        packet = turn.arrival.packet
        try:
            ticks = duration(self._codec, packet.payload)
        except InputError:
            self._unheard("broken", self._usual / self._rate)
            return  # the next timestamp is further ahead, so silence fills the place
        yield from self._reach(turn, self._utc(turn.arrival.at) - ticks / self._rate)
        yield self._made(self._decoder.decode(packet.payload), ticks)
        self._usual = ticks

    def flush(self) -> Iterator[Placed]:
        """End the run. Yield its last samples."""
        if self._began is not None:
            yield self._made(self._decoder.flush(), 0)

    def _reach(self, turn: InTurn, arrived: float) -> Iterator[Placed]:
        """Go on to the packet, which begins at `arrived` by its arrival."""
        packet = turn.arrival.packet
        # The difference of two 32-bit timestamps that wrap around. Negative: the packet overlaps the one before.
        pause = (packet.timestamp - self._next + 2**31) % 2**32 - 2**31
        if self._began is None or turn.restarted:
            yield from self._jump(arrived, packet.timestamp)
            return
        # In a pause (DTX) the few packets lie far apart, so a lost one is not the whole jump.
        self._unheard("loss", min(max(0, pause), turn.lost * self._usual) / self._rate)
        dated = self._began + (self._ticks + pause) / self._rate
        is_long = pause > FILLED_SECONDS * self._rate
        limit = GAP_SECONDS if is_long or (packet.marker and pause > 0) else STRAY_SECONDS
        if abs(arrived - dated) > limit:
            yield from self._jump(arrived, packet.timestamp)
        elif is_long:
            yield from self._jump(dated, packet.timestamp)
        elif pause > 0:
            yield self._made(self._decoder.silence(pause), pause)

    def _jump(self, to: float, timestamp: int) -> Iterator[Placed]:
        yield from self.flush()  # what the filter holds belongs before the jump
        self._began, self._ticks, self._samples, self._next = to, 0, 0, timestamp

    def _made(self, pcm: bytes, ticks: int) -> Placed:
        # The start counts samples given out, not ticks: the filter delays audio, and the sum has no rounding error.
        placed = Placed(pcm, (self._began or 0.0) + self._samples / SAMPLE_RATE)
        self._samples += len(pcm) // WIDTH
        self._ticks += ticks
        self._next = (self._next + ticks) % 2**32
        return placed


def join_placed(pieces: Iterable[Placed]) -> list[Placed]:
    """Join the pieces that follow each other, and leave out empty ones."""
    found: list[Placed] = []
    for piece in pieces:
        if found and abs(found[-1].end - piece.start) < 1 / SAMPLE_RATE:  # within one sample: rounding
            found[-1] = Placed(found[-1].pcm + piece.pcm, found[-1].start)
        elif piece.pcm:
            found.append(piece)
    return found


def duration(codec: RtpCodec, payload: bytes) -> int:
    """Ticks of a payload. Raises InputError for one that no decoder could decode, or of over 120 ms."""
    if codec == "opus":
        return checked_samples(payload)
    if len(payload) > MAX_PACKET * CLOCK[codec] // OPUS_RATE:  # MAX_PACKET is in samples of Opus
        raise InputError("A packet of more than 120 ms")
    return len(payload)  # G.711 has one byte a sample


class RtpDecoder:
    """Decodes the packets of one stream, in order. The blocks of PCM follow each other without a gap."""

    def __init__(self, codec: RtpCodec) -> None:
        self._codec = codec
        self._decoder = StreamDecoder()
        self._law = None if codec == "opus" else _law(codec)

    def decode(self, payload: bytes) -> bytes:
        """Decode a payload. The resampling filter may hold its last samples until the next call."""
        if self._law is None:
            return self._resampled("opus", payload, CHANNELS)
        frames = self._law.decode(av.Packet(payload))
        return self._resampled("pcm_s16le", b"".join(frame.to_ndarray().tobytes() for frame in frames))

    def silence(self, ticks: int) -> bytes:
        """Return silence of this length."""
        return self._resampled("pcm_s16le", np.zeros(ticks, "<i2").tobytes())

    def flush(self) -> bytes:
        """Return the samples that the filter holds. The next payload begins anew."""
        return to_pcm16(self._decoder.flush())

    def _resampled(self, codec: Literal["opus", "pcm_s16le"], data: bytes, channels: int = 1) -> bytes:
        # The decoder of the stages reads chunks. It uses only the form and the data.
        chunk = AudioChunk(
            room="-",
            speaker="-",
            start=0.0,
            sequence=0,
            codec=codec,
            sample_rate=CLOCK[self._codec],
            channels=channels,
            data=data,
        )
        return to_pcm16(self._decoder.decode(chunk))


def _law(codec: RtpCodec) -> AudioCodecContext:
    context = cast(AudioCodecContext, av.CodecContext.create(LAW[codec], "r"))
    context.sample_rate, context.layout = CLOCK[codec], "mono"
    return context
