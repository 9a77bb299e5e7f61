"""Files and whole recordings in memory to 16 kHz mono blocks, by FFmpeg (PyAV), in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from pipeline.audio.resample import EMPTY, RATES, Resampler, Samples, mono
from pipeline.errors import AudioError
from pipeline.messages import SAMPLE_RATE

FORMATS = (
    "aac,aiff,amr,amrnb,amrwb,asf,au,avi,caf,flac,flv,matroska,webm,mov,mp4,m4a,3gp,mp3,mpeg,mpegts,ogg,w64,wav,wv"
)
"""Demuxers that read nothing but the file they are given: a playlist could name other files, or addresses."""

EXACT_LENGTH = frozenset({"aiff", "flac", "mp3", "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "w64"})
"""Containers that say how long they are meant to be, rather than how long they turn out."""

TOLERANCE_SECONDS = 0.25
"""Encoders pad, and round, by less; a file cut short mostly lacks more."""
EXACT_SECONDS = 0.001
"""The same where nothing is padded: rounding by the resampler."""


@dataclass
class Tally:
    """What came of a decoding."""

    samples: int = 0
    """At 16 kHz."""
    damaged: int = 0
    """Packets that could not be decoded and were passed over."""
    not_numbers: int = 0
    """Samples that were NaN or infinite, taken as silence."""


def opened(source: BinaryIO, name: str) -> InputContainer:
    """Open audio whatever its name says it is; raises AudioError for what is not audio."""
    try:
        container = av.open(source, "r", options={"format_whitelist": FORMATS}, metadata_errors="replace")
    except (FFmpegError, ValueError) as error:
        raise AudioError(
            f"{name} cannot be read as audio: it is none of the known formats, or its head or index is missing",
            "Hand in WAV, FLAC, MP3, Ogg, M4A or WebM; copy it again if it was cut short.",
        ) from error
    if not container.streams.audio:
        container.close()
        raise AudioError(f"{name} holds no audio stream", "Hand in a recording with sound.")
    return container


def decoded(container: InputContainer, name: str, tally: Tally) -> Iterator[Samples]:
    """All audio of the first audio stream, in pieces of any size."""
    resampler: Resampler | None = None
    for frame in _frames(container, tally):
        if frame.sample_rate not in RATES:
            raise AudioError(
                f"{name} has a sample rate of {frame.sample_rate} Hz", f"Use {RATES.start:,} to {RATES.stop - 1:,} Hz."
            )
        if resampler is None or resampler.rate != frame.sample_rate:
            yield resampler.flush() if resampler else EMPTY
            resampler = Resampler(frame.sample_rate)
        samples, not_numbers = mono(frame)
        tally.not_numbers += not_numbers
        yield resampler.push(samples)
    if resampler:
        yield resampler.flush()


def _frames(container: InputContainer, tally: Tally) -> Iterator[av.AudioFrame]:
    packets = container.demux(container.streams.audio[0])
    while True:
        try:
            packet = next(packets, None)
        except (FFmpegError, OSError):  # the container breaks off, or its disk: there is nothing to go on from
            tally.damaged += 1
            return
        if packet is None:
            return
        try:
            frames = packet.decode()
        except FFmpegError:
            tally.damaged += 1
            continue
        yield from (frame for frame in frames if isinstance(frame, av.AudioFrame) and frame.samples)


def in_blocks(pieces: Iterator[Samples], tally: Tally, size: int = SAMPLE_RATE) -> Iterator[Samples]:
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


def seconds_of(container: InputContainer) -> float | None:
    """How long the container says it is, or FFmpeg's estimate."""
    stream: AudioStream = container.streams.audio[0]
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def shortfall(container: InputContainer, head: bytes, tail: bytes, size: int, tally: Tally) -> str | None:
    """What a recording that was decoded to its end lacks of what it says it holds, in words; None if nothing is known.

    `head` and `tail` are the file's first and last bytes, `size` its length in bytes.
    """
    kind = container.format.name
    heard = tally.samples / SAMPLE_RATE
    declared = seconds_of(container) or 0.0
    if kind == "ogg":
        return None if _has_last_page(tail) else "its last page is missing"
    if kind == "wav":  # FFmpeg takes a WAV's length from the file, not from the header
        stated = int.from_bytes(head[4:8], "little") + 8
        declared = heard * stated / size if size + 1 < stated < 0x7FFF_0000 else 0.0
    elif kind == "mp3" and not (b"Xing" in head or b"Info" in head):
        return None  # FFmpeg's estimate from the bit rate, which may vary
    elif kind not in EXACT_LENGTH or (kind == "matroska,webm" and container.streams.video):
        return None
    missing = declared - heard
    tolerance = EXACT_SECONDS if kind in {"wav", "flac"} else TOLERANCE_SECONDS
    return f"{missing:.2f} s of {declared:.2f} s are missing" if missing > tolerance else None


def _has_last_page(tail: bytes) -> bool:
    """Ogg marks its last page by a bit in byte 5; lengths of its segments stand from byte 27 on (RFC 3533)."""
    page = tail[tail.rfind(b"OggS") :] if b"OggS" in tail else b""
    if len(page) < 27 or not page[5] & 4:
        return False
    segments = page[26]
    return len(page) >= 27 + segments + sum(page[27 : 27 + segments])
