"""Parse RTP packets (RFC 3550, section 5.1)."""

from dataclasses import dataclass

from pipeline.base.errors import InputError

HEADER = 12
"""Bytes of the fixed part of the header."""
WORD = 4
RTCP_TYPES = range(192, 224)
"""Second bytes of RTCP packets, which may come to the same port (RFC 5761, section 4)."""


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """A packet without its extensions and padding."""

    payload_type: int
    marker: bool
    sequence: int
    """16 bits; it wraps around."""
    timestamp: int
    """32 bits, in ticks of the codec's clock; it wraps around."""
    ssrc: int
    payload: bytes


def is_rtcp(data: bytes) -> bool:
    return len(data) > 1 and data[1] in RTCP_TYPES


def parse(data: bytes) -> RtpPacket:
    """Parse a packet. Raises InputError if it is not RTP, is cut off, or carries nothing."""
    if len(data) < HEADER or data[0] >> 6 != 2:
        raise InputError("A packet is not RTP")
    begin, end = _begin(data), _end(data)
    if begin >= end:
        raise InputError("An RTP packet is cut off, or has no payload")
    return RtpPacket(
        payload_type=data[1] & 0x7F,
        marker=bool(data[1] & 0x80),
        sequence=int.from_bytes(data[2:4], "big"),
        timestamp=int.from_bytes(data[4:8], "big"),
        ssrc=int.from_bytes(data[8:12], "big"),
        payload=data[begin:end],
    )


def _begin(data: bytes) -> int:
    """Where the payload begins: after the contributing sources, and after the extension if there is one."""
    begin = HEADER + WORD * (data[0] & 0x0F)
    if data[0] & 0x10:
        begin += WORD * (1 + int.from_bytes(data[begin + 2 : begin + WORD], "big"))
    return begin


def _end(data: bytes) -> int:
    """Where the payload ends: before the padding, whose last byte is its length."""
    return len(data) - data[-1] if data[0] & 0x20 and data[-1] else len(data) - bool(data[0] & 0x20)
