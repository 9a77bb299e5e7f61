"""FLAC (RFC 9639): a frame ends with a checksum. FFmpeg treats all data after the last frame as part of that frame."""

from functools import cache
from typing import BinaryIO

from pipeline.speech.audio.structure import tail

POLYNOMIAL = 0x8005
LONGEST = 1 << 20
"""Maximum bytes of a frame. Encoders write frames of at most 4,608 samples, which are far smaller."""


def fault(file: BinaryIO, size: int, last: range) -> str | None:
    """See `StructureCheck`."""
    end = tail.end_of_tags(file, last.start, size)
    if end - last.start > LONGEST:
        return tail.unheard(last.start + LONGEST, end)
    file.seek(last.start)
    if checksum(file.read(end - last.start)):
        return "its last frame is damaged, or other data follows it"
    return None


def checksum(frame: bytes) -> int:
    """CRC-16 of a whole frame with its own checksum. It is 0 for an undamaged frame."""
    table, crc = _table(), 0
    for byte in frame:
        crc = (crc << 8 & 0xFFFF) ^ table[crc >> 8 ^ byte]
    return crc


@cache
def _table() -> list[int]:
    return [_shifted(byte << 8) for byte in range(256)]


def _shifted(crc: int) -> int:
    for _ in range(8):
        crc = (crc << 1 ^ (POLYNOMIAL if crc & 0x8000 else 0)) & 0xFFFF
    return crc
