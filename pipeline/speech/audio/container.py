"""Decode files and whole recordings to blocks of 16 kHz mono audio with FFmpeg (PyAV), in bounded memory.

FFmpeg guesses the size of WAV samples wrong if it is larger than their valid bits, so the header is patched first.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from numpy.typing import NDArray

from pipeline.base.errors import AudioError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.resample import RATES, Mix, Resampler, Samples, as_floats, mean, planes

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
"""Formats of samples. The format of an extensible header is in its second half."""

SIZES = frozenset({1, 2, 3, 4, 8})
"""Bytes of a sample that FFmpeg reads."""

LOUDEST = 2.0**24
"""Old programs wrote floats up to 2 ** 23 and called them PCM of 24 bits. Integers that are read as floats are larger.
"""

PIECE = 1 << 20
"""Bytes that are read at a time."""

Patch = dict[int, bytes]
"""New bytes for positions of a file."""


def header_patch(file: BinaryIO, name: str) -> Patch:
    """The bytes of the header that FFmpeg has to see, so that it reads whole samples. Empty if it reads them anyway.

    The valid bits of a sample are its highest, so a whole sample is right, too. Raises AudioError with `name` if FFmpeg
    cannot read samples of this size.
    """
    head = _read(file, range(12))
    if head[:4] not in {b"RIFF", b"RF64", b"BW64"} or head[8:] != b"WAVE":
        return {}
    chunks = dict(_chunks(file))
    place = chunks.get(b"fmt ", range(0))
    fmt = _read(file, place).ljust(26, b"\0")  # a plain header has 16 or 18 bytes
    # After the bits, an extensible header has its own size, the valid bits, the channel mask and the sample format.
    kind, channels, rate, byte_rate, align, bits, _, valid, _, sub = struct.unpack_from("<HHIIHHHHIH", fmt)
    extensible = kind == EXTENSIBLE and len(place) >= 26
    stated = valid or bits if extensible else bits
    size, rest = divmod(align, channels or 1)
    if not stated or rest or size == -(-stated // 8) or (sub if extensible else kind) not in {PCM, FLOAT}:
        return {}
    if not extensible and byte_rate != rate * align:
        return {}  # the block size of some headers is wrong
    if not extensible and size == 4 and _holds_floats(file, chunks.get(b"data", range(0))):
        if stated == 24:
            return {}  # FFmpeg reads them as floats
        size = 0  # refused below: FFmpeg would read these floats as integers
    if size not in SIZES:
        raise AudioError(f"{name} has samples of {stated} bits in blocks of {align} bytes", "Save it as 16-bit WAV.")
    whole = struct.pack("<H", 8 * size)
    return {place.start + 14: whole} | ({place.start + 18: whole} if extensible else {})  # bits, and valid bits


def patched(data: bytes, at: int, patch: Patch) -> bytes:
    """Bytes of a file from position `at` on, with the patch."""
    for place, new in patch.items():
        if at < place + len(new) and place < at + len(data):
            both = bytearray(data)
            begin, end = max(place, at), min(place + len(new), at + len(data))
            both[begin - at : end - at] = new[begin - place : end - place]
            data = bytes(both)
    return data


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, range]]:
    """Name and place of the content of each chunk up to the samples."""
    at, name = 12, b""
    while name != b"data" and len(head := _read(file, range(at, at + 8))) == 8:
        name, length = struct.unpack("<4sI", head)
        yield name, range(at + 8, at + 8 + length)
        at += 8 + length + length % 2  # chunks begin at even positions


def _holds_floats(file: BinaryIO, samples: range) -> bool:
    """Whether the first samples of 4 bytes that are not zero look like floats."""
    for at in range(samples.start, samples.stop, PIECE):
        data = _read(file, range(at, min(at + PIECE, samples.stop)))
        if any(data):
            floats = np.frombuffer(data, "<f4", len(data) // 4)
            return bool((np.abs(floats) <= LOUDEST).all())
        if not data:
            break
    return False


def _read(file: BinaryIO, place: range) -> bytes:
    file.seek(place.start)
    return file.read(len(place))


FORMATS = (
    "aac,aiff,amr,amrnb,amrwb,asf,au,avi,caf,flac,flv,matroska,webm,mov,mp4,m4a,3gp,mp3,mpeg,mpegts,ogg,w64,wav,wv"
)
"""Demuxers that read only the given file. A playlist could name other files or network addresses."""

EXACT_LENGTH = frozenset({"aiff", "au", "flac", "flv", "mp3", "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "w64"})
"""Containers that state their intended length. Others give the length that was found in the file."""

OPTIONS = {"format_whitelist": FORMATS, "ignore_editlist": "1"}
"""An edit list selects the parts of a track to play. Players treat it differently, so all of the track is decoded."""

DECODER_OPTIONS = {"err_detect": "crccheck+explode"}
"""Drop FLAC frames with a wrong checksum, so that they count as missing. By default FFmpeg would decode noise."""

STREAMED = frozenset({"wav", "au"})
"""Containers that may omit their length. Then FFmpeg expects more data and marks the last packet as corrupt."""

TOLERANCE_SECONDS = 0.25
"""Missing audio up to this length is accepted: encoders pad and round by less. A truncated file mostly lacks more."""
EXACT_SECONDS = 0.001
"""The same for containers without padding. It covers the rounding of the resampler."""

MAX_CHANNELS = 32
"""Most channels of all audio streams together. Each of them is searched for speech, and costs as much as a file."""

MAX_OFFSET = 0.02
"""Largest mean (DC offset) of one second of samples that is not corrected. Microphones stay far below it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a recording that is processed separately: the mean of all channels of an audio stream, or one channel.

    `stream` and `channel` count from 0. `channel` None is the mean of all channels.
    """

    stream: int = 0
    channel: int | None = None
    gain: float = 1.0
    """Factor for its samples, so that voice activity detection works on a very quiet recording."""

    def of(self, speaker: str) -> str:
        """Return `speaker`, followed by this part's stream and channel. In the name, both count from 1."""
        stream = f", stream {self.stream + 1}" if self.stream else ""
        return speaker + stream + ("" if self.channel is None else f", channel {self.channel + 1}")


MAIN = Part()

Rows = NDArray[np.float32]
"""Audio of several parts at 16 kHz, shape (parts, samples)."""


@dataclass
class DecodeTally:
    """Statistics of a decoding. The decoding functions fill it."""

    samples: int = 0
    """Decoded samples at 16 kHz."""
    damaged: int = 0
    """Packets that could not be decoded and were skipped."""
    not_numbers: int = 0
    """Samples that were NaN or infinite and became silence."""
    last: range = range(0)
    """Byte range in the file of the packet that ends last, in any stream."""
    until: float = 0.0
    """Seconds at which the last audio packet ends, by its time stamp; 0 without a time stamp."""
    channels: set[int] = field(default_factory=set)
    """All numbers of channels that frames had. More than one number may hide audio from the mix."""


class _Source:
    """A file object for FFmpeg. In broken files FFmpeg may seek to a negative position, which must not raise here."""

    def __init__(self, file: BinaryIO, patch: Patch) -> None:
        self.tell, self.seekable = file.tell, file.seekable
        self._read, self._seek, self._patch = file.read, file.seek, patch

    def read(self, size: int) -> bytes:
        at = self.tell()
        return patched(self._read(size), at, self._patch)

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._seek(offset, whence)
        except (OSError, ValueError):
            return -1


def opened(source: BinaryIO, name: str) -> InputContainer:
    """Open an audio file. Its content decides the format, not its name. Raises AudioError if it is not audio.

    `name` names the file in errors.
    """
    try:
        patch = header_patch(source, name)
        source.seek(0)
        # Tags in an old encoding must not make a file unreadable.
        container = av.open(_Source(source, patch), "r", options=OPTIONS, metadata_errors="replace")
    except (FFmpegError, ValueError, OSError) as error:
        raise AudioError(
            f"{name} cannot be read as audio: its format is unknown, or its header or index is missing",
            "Use WAV, FLAC, MP3, Ogg, M4A or WebM. If the file is truncated, copy it again.",
        ) from error
    codecs = [stream.codec_context for stream in container.streams.audio]
    if not codecs or None in codecs:  # PyAV gives None for a codec that FFmpeg does not know
        container.close()
        raise AudioError(
            f"{name} has {'audio in an unknown codec' if codecs else 'no audio stream'}",
            "Use WAV, FLAC, MP3, Ogg, M4A or WebM with sound.",
        )
    channels = sum([codec.channels for codec in codecs])
    if channels > MAX_CHANNELS:
        container.close()
        raise AudioError(
            f"{name} has {channels} channels of audio, more than {MAX_CHANNELS}",
            "Split its channels into several files.",
        )
    return container


def decoded(
    container: InputContainer, name: str, tally: DecodeTally, parts: Sequence[Part] = (MAIN,), mix: Mix = mean
) -> Iterator[Rows]:
    """All audio of some parts of one stream at 16 kHz, in pieces of shape (parts, samples). Fills `tally`."""
    resamplers: list[Resampler] = []
    for frame in frames(container, name, tally, parts[0].stream):
        if not resamplers or resamplers[0].rate != frame.sample_rate:
            if resamplers:
                yield np.stack([resampler.flush() for resampler in resamplers])
            resamplers = [Resampler(frame.sample_rate) for _ in parts]
        if any((part.channel or 0) >= frame.layout.nb_channels for part in parts):
            break  # the caller sees in `tally` that the number of channels has changed
        channels, not_numbers = as_floats(planes(frame))
        tally.not_numbers += not_numbers
        main = channels[0] if len(channels) == 1 else mix(channels)
        rows = (main if part.channel is None else channels[part.channel] for part in parts)
        yield np.stack([resampler.push(row) for resampler, row in zip(resamplers, rows, strict=True)])
    if resamplers:
        yield np.stack([resampler.flush() for resampler in resamplers])


def frames(container: InputContainer, name: str, tally: DecodeTally, stream: int = 0) -> Iterator[av.AudioFrame]:
    """Decoded frames of audio stream `stream` (from 0). Raises AudioError for a sample rate outside RATES."""
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
        except (FFmpegError, OSError):  # the container is cut off, or the disk failed: no further packet can be read
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


def in_blocks(pieces: Iterator[Rows], tally: DecodeTally, size: int = SAMPLE_RATE) -> Iterator[Rows]:
    """Join pieces into blocks of shape (parts, size). Only the last block is shorter. Counts the samples in `tally`."""
    held: list[Rows] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += piece.shape[1]
        tally.samples += piece.shape[1]
        if count >= size:
            joined = np.concatenate(held, axis=1)
            whole = count - count % size
            yield from (joined[:, begin : begin + size] for begin in range(0, whole, size))
            held, count = [joined[:, whole:]], count - whole
    if count:
        yield np.concatenate(held, axis=1)


def audible(block: Samples, gain: float) -> Samples:
    """Remove a large DC offset from a block, then multiply it by `gain`. A large offset hides speech from the VAD."""
    offset = block.mean()
    if abs(offset) >= MAX_OFFSET:
        block = (block - offset).clip(-1, 1)
    return block if gain == 1 else (block * gain).clip(-1, 1)


def seconds_of(container: InputContainer, number: int = 0) -> float | None:
    """Length in seconds of audio stream `number`, as the container states it or FFmpeg estimates it."""
    stream: AudioStream = container.streams.audio[number]
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def shortfall(container: InputContainer, number: int, head: bytes, size: int, tally: DecodeTally) -> str | None:
    """How much shorter a fully decoded audio stream is than the container states, in words. None if nothing is missing.

    `head` holds the first bytes of the file, `size` is the size of the file in bytes.
    """
    kind = container.format.name
    decoded_seconds = tally.samples / SAMPLE_RATE
    declared = seconds_of(container, number) or 0.0
    if kind == "flac":
        # A header may state no length. A frame's time stamp also counts the lost frames before it.
        declared = max(declared, tally.until)
    elif kind == "wav":  # FFmpeg computes the length of a WAV from the file size and ignores the header
        stated = int.from_bytes(head[4:8], "little") + 8
        # Programs that stream write a size near 2 or 4 GiB. `+ 1`: the last chunk may lack its padding.
        declared = decoded_seconds * stated / size if size + 1 < stated < 0x7FFF_0000 else 0.0
    elif kind == "mp3" and not (b"Xing" in head or b"Info" in head):
        return None  # the length is only FFmpeg's estimate from the bit rate, which may vary
    # With video, these containers state the length of the longest stream.
    elif kind not in EXACT_LENGTH or (kind in {"matroska,webm", "flv"} and container.streams.video):
        return None
    missing = declared - decoded_seconds
    tolerance = EXACT_SECONDS if kind in {"wav", "flac"} else TOLERANCE_SECONDS
    return f"{missing:.2f} s of {declared:.2f} s are missing" if missing > tolerance else None
