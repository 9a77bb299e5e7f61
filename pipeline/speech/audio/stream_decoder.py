"""Decodes the chunks of one speaker to 16 kHz mono: PCM, Opus packets, or small whole recordings."""

from collections.abc import Sequence

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.error import FFmpegError

from pipeline.base.errors import AudioError, BadMessage, InputError
from pipeline.contract.messages import AudioChunk
from pipeline.speech.audio.decode import read_upload
from pipeline.speech.audio.resample import EMPTY, Resampler, Samples, from_pcm, not_cancelled, planes
from pipeline.speech.audio.stream_codecs import OPUS_RATE, PCM, opus_samples, split_packets

OPUS_RATES = frozenset({8_000, 12_000, 16_000, 24_000, 48_000})

USUAL_PACKET = OPUS_RATE // 50
"""Samples of a packet of unknown length: 20 ms, which most senders use."""

CONTAINER_SECONDS = 600.0
"""Maximum seconds of a recording in one chunk."""

CONTAINER_RATE = 16_000
"""Sample rate of decoded recordings. Their decoder resamples them."""


class StreamDecoder:
    """Decodes the chunks of one speaker, in order. Between chunks it holds only a few samples of the resampling filter.

    Sample rate, codec and channels may change between chunks, for example when a speaker changes the device.
    """

    def __init__(self) -> None:
        self.not_numbers = 0
        """Samples so far that were NaN or infinite and became silence."""
        self.concealed = 0
        """Opus packets so far that could not be decoded and became silence."""
        self._usual = USUAL_PACKET
        self._resampler = Resampler(CONTAINER_RATE)
        self._opus: tuple[int, AudioCodecContext] | None = None

    def decode(self, chunk: AudioChunk) -> Samples:
        """Decode a chunk to 16 kHz mono, shape (samples,). Raises BadMessage if its data do not match its fields."""
        if not chunk.data:  # for example the final one
            return EMPTY
        rate, samples = self._read(chunk)
        tail = EMPTY
        if rate != self._resampler.rate:
            # The old filter still holds samples of the old rate.
            tail, self._resampler = self._resampler.flush(), Resampler(rate)
        return np.concatenate([tail, self._resampler.push(samples)])

    def flush(self) -> Samples:
        """Return the held samples, at the end or before a gap. Then the decoder is as new."""
        tail, self._resampler = self._resampler.flush(), Resampler(self._resampler.rate)
        self._opus = None
        return tail

    def _read(self, chunk: AudioChunk) -> tuple[int, Samples]:
        if chunk.codec in PCM:
            return chunk.sample_rate, self._pcm(chunk)
        if chunk.codec == "opus":
            return OPUS_RATE, self._packets(chunk, [chunk.data])
        if chunk.codec == "opus_packets":
            return OPUS_RATE, self._packets(chunk, split_packets(chunk.data))
        if chunk.codec == "container":
            return CONTAINER_RATE, self._recording(chunk)
        raise BadMessage(f"{_name(chunk)} has the unknown codec {chunk.codec!r}", "See docs/contract.md.")

    def _pcm(self, chunk: AudioChunk) -> Samples:
        kind = PCM[chunk.codec]
        if len(chunk.data) % (kind.itemsize * chunk.channels):
            raise BadMessage(
                f"{_name(chunk)} has {len(chunk.data)} bytes of {chunk.codec}, which is not a whole number of "
                f"{chunk.channels}-channel samples",
                "Send whole samples, with their codec and number of channels.",
            )
        return self._counted(*from_pcm(np.frombuffer(chunk.data, kind).reshape(-1, chunk.channels).T, not_cancelled))

    def _packets(self, chunk: AudioChunk, packets: Sequence[bytes]) -> Samples:
        if chunk.sample_rate not in OPUS_RATES or chunk.channels > 2:
            raise BadMessage(
                f"{_name(chunk)} states Opus with {chunk.sample_rate} Hz and {chunk.channels} channels",
                "Opus has one or two channels and a rate of 8, 12, 16, 24 or 48 kHz.",
            )
        decoder = self._opus_decoder(chunk.channels)
        return np.concatenate([EMPTY, *(piece for packet in packets for piece in self._packet(decoder, packet))])

    def _packet(self, decoder: AudioCodecContext, packet: bytes) -> list[Samples]:
        """Decode a packet. If that fails, it becomes silence of the same length, so that times stay correct."""
        try:
            frames = decoder.decode(av.Packet(packet))
            pieces = [self._counted(*from_pcm(planes(frame), not_cancelled)) for frame in frames]
        except FFmpegError:
            self.concealed += 1
            return [np.zeros(self._length(packet), np.float32)]
        self._usual = sum(piece.size for piece in pieces) or self._usual
        return pieces

    def _length(self, packet: bytes) -> int:
        """Samples at 48 kHz of a packet that cannot be decoded: by its header, or as many as in the packet before."""
        try:
            return opus_samples(packet)
        except InputError:
            return self._usual

    def _opus_decoder(self, channels: int) -> AudioCodecContext:
        if self._opus is None or self._opus[0] != channels:
            # A new number of channels needs a new decoder: Opus decodes to the number that it was opened with.
            context = av.CodecContext.create("libopus", "r")
            context.sample_rate = OPUS_RATE
            context.layout = "mono" if channels == 1 else "stereo"
            self._opus = channels, context
        return self._opus[1]

    def _recording(self, chunk: AudioChunk) -> Samples:
        try:
            samples, tally = read_upload(chunk.data, _name(chunk), CONTAINER_SECONDS)
        except AudioError as error:
            raise BadMessage(error.what, error.remedy) from error
        return self._counted(samples, tally.not_numbers)

    def _counted(self, samples: Samples, not_numbers: int) -> Samples:
        self.not_numbers += not_numbers
        return samples


def _name(chunk: AudioChunk) -> str:
    """The chunk's name in errors. Errors are logged, so it has no names of people. The dead letter has them."""
    return f"Chunk {chunk.sequence} at {chunk.start:.3f}"
