"""Files and whole recordings in memory to 16 kHz mono blocks, by FFmpeg (PyAV), in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from pipeline.audio.resample import EMPTY, RATES, Mix, Resampler, Samples, from_pcm, mean, planes
from pipeline.errors import AudioError
from pipeline.messages import SAMPLE_RATE

FORMATS = (
    "aac,aiff,amr,amrnb,amrwb,asf,au,avi,caf,flac,flv,matroska,webm,mov,mp4,m4a,3gp,mp3,mpeg,mpegts,ogg,w64,wav,wv"
)
"""Demuxers that read nothing but the file they are given: a playlist could name other files, or addresses."""

EXACT_LENGTH = frozenset({"aiff", "au", "flac", "flv", "mp3", "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "w64"})
"""Containers that say how long they are meant to be, rather than how long they turn out."""

OPTIONS = {"format_whitelist": FORMATS, "ignore_editlist": "1"}
"""An edit list says which parts of a track are played; players differ in that, so we hear all of it."""

DECODER_OPTIONS = {"err_detect": "crccheck+explode"}
"""FLAC frames with a wrong checksum are dropped, and so counted as missing, where FFmpeg would decode noise."""

STREAMED = frozenset({"wav", "au"})
"""Containers that may leave their length open. FFmpeg then expects more than there is, and calls the end corrupt."""

TOLERANCE_SECONDS = 0.25
"""Encoders pad, and round, by less; a file cut short mostly lacks more."""
EXACT_SECONDS = 0.001
"""The same where nothing is padded: rounding by the resampler."""

MAX_OFFSET = 0.02
"""Mean of a second of samples. Microphones stay far below it."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is heard as one: the mean of all channels of an audio stream, or one channel. Both count from 0."""

    stream: int = 0
    channel: int | None = None
    gain: float = 1.0
    """What its samples are multiplied by, so that a voice detector hears a very quiet recording."""

    def of(self, speaker: str) -> str:
        """The speaker's name, with what part of the recording this is."""
        stream = f", stream {self.stream + 1}" if self.stream else ""
        return speaker + stream + ("" if self.channel is None else f", channel {self.channel + 1}")


MAIN = Part()


@dataclass
class DecodeTally:
    """What came of a decoding."""

    samples: int = 0
    """At 16 kHz."""
    damaged: int = 0
    """Packets that could not be decoded and were passed over."""
    not_numbers: int = 0
    """Samples that were NaN or infinite, taken as silence."""
    last: range = range(0)
    """Bytes of the packet, of whatever stream, that ends last in the file."""
    until: float = 0.0
    """Seconds at which the last packet of audio ends, by its time stamp; 0 if it has none."""
    channels: set[int] = field(default_factory=set)
    """Numbers of channels that its frames had: one number, unless somebody hides something."""


class _Source:
    """A file as FFmpeg reads it. Broken files make it seek to before the beginning, which is no fault of ours."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.tell, self.seekable = file.read, file.tell, file.seekable
        self._seek = file.seek

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._seek(offset, whence)
        except (OSError, ValueError):
            return -1


def opened(source: BinaryIO, name: str) -> InputContainer:
    """Open audio whatever its name says it is; raises AudioError for what is not audio."""
    try:
        container = av.open(_Source(source), "r", options=OPTIONS, metadata_errors="replace")
    except (FFmpegError, ValueError, OSError) as error:
        raise AudioError(
            f"{name} cannot be read as audio: it is none of the known formats, or its head or index is missing",
            "Hand in WAV, FLAC, MP3, Ogg, M4A or WebM; copy it again if it was cut short.",
        ) from error
    codecs = [stream.codec_context for stream in container.streams.audio]
    if not codecs or None in codecs:
        container.close()
        raise AudioError(
            f"{name} holds {'audio in an unknown codec' if codecs else 'no audio stream'}",
            "Hand in WAV, FLAC, MP3, Ogg, M4A or WebM with sound.",
        )
    return container


def decoded(
    container: InputContainer, name: str, tally: DecodeTally, part: Part = MAIN, mix: Mix = mean
) -> Iterator[Samples]:
    """All audio of one part, in pieces of any size."""
    resampler: Resampler | None = None
    for frame in frames(container, name, tally, part.stream):
        if resampler is None or resampler.rate != frame.sample_rate:
            yield resampler.flush() if resampler else EMPTY
            resampler = Resampler(frame.sample_rate)
        channels = planes(frame) if part.channel is None else planes(frame)[[part.channel]]
        samples, not_numbers = from_pcm(channels, mix)
        tally.not_numbers += not_numbers
        yield resampler.push(samples)
    if resampler:
        yield resampler.flush()


def frames(container: InputContainer, name: str, tally: DecodeTally, stream: int = 0) -> Iterator[av.AudioFrame]:
    """Decoded frames of the audio stream of that number (from 0); raises AudioError for a rate that cannot be."""
    for packet in _packets(container, tally, container.streams.audio[stream]):
        for frame in _frames(packet, tally):
            if frame.sample_rate not in RATES:
                raise AudioError(
                    f"{name} has a sample rate of {frame.sample_rate} Hz",
                    f"Use {RATES.start:,} to {RATES.stop - 1:,} Hz.",
                )
            tally.channels.add(frame.layout.nb_channels)
            yield frame


def _packets(container: InputContainer, tally: DecodeTally, audio: AudioStream) -> "Iterator[av.Packet[Any]]":
    audio.codec_context.options = DECODER_OPTIONS
    packets = container.demux()
    while True:
        try:
            packet = next(packets, None)
        except (FFmpegError, OSError):  # the container breaks off, or its disk: there is nothing to go on from
            tally.damaged += 1
            return
        if packet is None:
            return
        if packet.pos is not None and packet.pos + packet.size > tally.last.stop:
            tally.last = range(packet.pos, packet.pos + packet.size)
        if packet.stream_index == audio.index:
            tally.damaged += packet.is_corrupt and container.format.name not in STREAMED
            yield packet


def _frames(packet: "av.Packet[Any]", tally: DecodeTally) -> list[av.AudioFrame]:
    if packet.pts is not None:
        tally.until = float((packet.pts + (packet.duration or 0)) * packet.time_base)
    try:
        decoded: list[Any] = packet.decode()
    except FFmpegError:
        tally.damaged += 1
        return []
    return [frame for frame in decoded if frame.samples]


def in_blocks(pieces: Iterator[Samples], tally: DecodeTally, size: int = SAMPLE_RATE) -> Iterator[Samples]:
    """The same audio in blocks of `size` samples; only the last is shorter."""
    held: list[Samples] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += piece.size
        tally.samples += piece.size
        if count >= size:
            joined = np.concatenate(held)
            whole = count - count % size
            yield from joined[:whole].reshape(-1, size)
            held, count = [joined[whole:]], count - whole
    if count:
        yield np.concatenate(held)


def audible(block: Samples, gain: float) -> Samples:
    """A block without an offset so large that speech on top of it is taken for none, and as loud as it has to be."""
    offset = block.mean()
    if abs(offset) >= MAX_OFFSET:
        block = (block - offset).clip(-1, 1)
    return block if gain == 1 else (block * gain).clip(-1, 1)


def seconds_of(container: InputContainer, number: int = 0) -> float | None:
    """How long the container says that audio stream is, or FFmpeg's estimate."""
    stream: AudioStream = container.streams.audio[number]
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def shortfall(container: InputContainer, number: int, head: bytes, size: int, tally: DecodeTally) -> str | None:
    """What an audio stream that was decoded to its end lacks of the length that is stated, in words; else None.

    `head` holds the file's first bytes, `size` is its length in bytes.
    """
    kind = container.format.name
    heard = tally.samples / SAMPLE_RATE
    declared = seconds_of(container, number) or 0.0
    if kind == "flac":
        declared = max(declared, tally.until)
    elif kind == "wav":  # FFmpeg takes a WAV's length from the file, not from the header
        stated = int.from_bytes(head[4:8], "little") + 8
        declared = heard * stated / size if size + 1 < stated < 0x7FFF_0000 else 0.0
    elif kind == "mp3" and not (b"Xing" in head or b"Info" in head):
        return None  # FFmpeg's estimate from the bit rate, which may vary
    elif kind not in EXACT_LENGTH or (kind in {"matroska,webm", "flv"} and container.streams.video):
        return None
    missing = declared - heard
    tolerance = EXACT_SECONDS if kind in {"wav", "flac"} else TOLERANCE_SECONDS
    return f"{missing:.2f} s of {declared:.2f} s are missing" if missing > tolerance else None
