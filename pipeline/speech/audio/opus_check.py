"""Check the whole structure of an Opus packet without decoding it (RFC 6716, section 3.2)."""

from pipeline.base.errors import InputError
from pipeline.speech.audio.opus import opus_samples

MAX_FRAME_BYTES = 1_275
"""Limit for one frame inside a packet."""

LONG_LENGTH = 252
"""A frame length takes two bytes if its first byte is at least this number."""

REMEDY = "Send bare packets, without Ogg or RTP."


def checked_samples(packet: bytes) -> int:
    """Return the samples at 48 kHz in a packet. Raises InputError if no decoder could decode it."""
    samples = opus_samples(packet)
    if _largest_frame(packet) > MAX_FRAME_BYTES:
        raise InputError("An Opus packet has a frame that is too large", REMEDY)
    return samples


def _largest_frame(packet: bytes) -> int:
    """Return the bytes of the largest frame in a packet. The packet has at least one byte."""
    code, end = packet[0] & 3, len(packet)
    if code == 3:
        return _of_many(packet)
    if code == 2:
        return _varied(packet, 1, end, 2)
    return _equal(end - 1, code + 1)


def _of_many(packet: bytes) -> int:
    """Return the bytes of the largest frame in a packet of code 3: any number of frames, and optional padding."""
    count, begin, end = packet[1] & 0x3F, 2, len(packet)
    if packet[1] & 0x40:
        begin, end = _without_padding(packet)
    if end < begin:
        raise _cut_short()
    return _varied(packet, begin, end, count) if packet[1] & 0x80 else _equal(end - begin, count)


def _without_padding(packet: bytes) -> tuple[int, int]:
    """Return where the frames of a padded packet begin and end."""
    begin, end = 2, len(packet)
    while begin < end:
        size = packet[begin]
        begin += 1
        end -= min(size, 254)
        if size < 255:
            return begin, end
    raise _cut_short()


def _equal(size: int, count: int) -> int:
    if size % count:
        raise _cut_short()
    return size // count


def _varied(packet: bytes, begin: int, end: int, count: int) -> int:
    """Return the bytes of the largest of `count` frames.

    All lengths except the last stand at `begin`; the frames end at `end`.
    """
    largest = total = 0
    for _ in range(count - 1):
        size, begin = _length(packet, begin, end)
        largest, total = max(largest, size), total + size
    if (last := end - begin - total) < 0:
        raise _cut_short()
    return max(largest, last)


def _length(packet: bytes, at: int, end: int) -> tuple[int, int]:
    """Return the frame length that stands at `at`, and the position after it."""
    if at >= end:
        raise _cut_short()
    if packet[at] < LONG_LENGTH:
        return packet[at], at + 1
    if at + 1 >= end:
        raise _cut_short()
    return 4 * packet[at + 1] + packet[at], at + 2


def _cut_short() -> InputError:
    return InputError("An Opus packet is cut short", REMEDY)
