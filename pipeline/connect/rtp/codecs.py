"""The codecs of RTP streams, decoded to 16 kHz mono 16-bit PCM."""

from typing import Literal, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from pipeline.base.errors import InputError
from pipeline.contract.messages import AudioChunk
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


def duration(codec: RtpCodec, payload: bytes) -> int:
    """Ticks of a payload. Raises InputError for one that no decoder could decode, or of over 120 ms."""
    if codec == "opus":
        return checked_samples(payload)
    if len(payload) > MAX_PACKET * CLOCK[codec] // OPUS_RATE:
        raise InputError("A packet of more than 120 ms")
    return len(payload)


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
