"""Tells FFmpeg the size of the samples in a WAV file. It guesses wrong if they are larger than their valid bits."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from pipeline.base.errors import AudioError

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
    fmt = _read(file, place).ljust(26, b"\0")
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
            return {}  # FFmpeg takes such samples for floats
        size = 0
    if size not in SIZES:
        raise AudioError(f"{name} has samples of {stated} bits in blocks of {align} bytes", "Save it as 16-bit WAV.")
    whole = struct.pack("<H", 8 * size)
    return {place.start + 14: whole} | ({place.start + 18: whole} if extensible else {})


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
        at += 8 + length + length % 2


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
