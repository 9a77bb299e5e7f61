"""FLAC (RFC 9639): a frame ends with a checksum. FFmpeg takes all that follows the last frame as a part of it."""

from functools import cache
from typing import BinaryIO

from pipeline.audio.structure import tail

POLYNOMIAL = 0x8005
LONGEST = 1 << 20
"""Bytes. Encoders make frames of 4,608 samples or fewer, far smaller than this."""


def fault(file: BinaryIO, size: int, last: range) -> str | None:
    end = tail.end_of_tags(file, last.start, size)
    if end - last.start > LONGEST:
        return tail.unheard(last.start + LONGEST, end)
    file.seek(last.start)
    if checksum(file.read(end - last.start)):
        return "its last frame is damaged, or followed by something else"
    return None


def checksum(frame: bytes) -> int:
    """CRC-16 of a whole frame, 0 if it is sound."""
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
