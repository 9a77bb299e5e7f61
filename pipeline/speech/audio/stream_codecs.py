"""The codecs of streamed audio: PCM samples and Opus packets. It counts samples without decoding.

An Opus packet is checked by its structure alone (RFC 6716, section 3.2).
"""

from collections.abc import Sequence

import numpy as np

from pipeline.base.errors import BadMessage, InputError
from pipeline.contract.messages import StreamCodec

PCM: dict[str, np.dtype[np.int16] | np.dtype[np.float32]] = {
    "pcm_s16le": np.dtype("<i2"),
    "pcm_f32le": np.dtype("<f4"),
}
"""The PCM codecs and the type of their samples."""

OPUS_RATE = 48_000
"""Hz. Opus always decodes to this rate."""

MAX_PACKET = OPUS_RATE * 120 // 1000
"""Maximum samples in an Opus packet: 120 ms (RFC 6716, section 3.2.5)."""


MAX_FRAME_BYTES = 1_275
"""Limit for one frame inside a packet."""

LONG_LENGTH = 252
"""A frame length takes two bytes if its first byte is at least this number."""

BARE_REMEDY = "Send bare packets, without Ogg or RTP."

LENGTH_BYTES = 2
"""In joined packets, each packet follows its length: two bytes, big-endian."""

MAX_PACKETS = 500
"""Maximum packets in one chunk. A packet holds up to 120 ms, so without a limit a small record could hold hours."""

JOIN_REMEDY = "docs/contract.md describes how to join packets."


def samples_in(frame: bytes, codec: StreamCodec, channels: int) -> int:
    """Return the samples of one channel. Opus counts at 48 kHz. Raises InputError for a frame that is not valid audio.

    The gateway and its client both count with this function, so their sample numbers agree.
    """
    if codec == "opus":
        return checked_samples(frame)
    size = PCM[codec].itemsize * channels
    if len(frame) % size:
        raise InputError(
            f"A frame of {len(frame)} bytes is not whole: one sample of every channel takes {size}",
            "Send whole samples.",
        )
    return len(frame) // size


def opus_samples(packet: bytes) -> int:
    """Samples at 48 kHz in an Opus packet, from its TOC byte (RFC 6716, section 3.1).

    Raises InputError if the packet is empty, truncated, or longer than 120 ms.
    """
    if not packet:
        raise InputError("An empty Opus packet", "Send one packet per frame.")
    configuration, code = packet[0] >> 3, packet[0] & 3
    total = _frames(packet, code) * _frame_samples(configuration)
    if not 0 < total <= MAX_PACKET:
        raise InputError("An Opus packet of 0 ms or of more than 120 ms", BARE_REMEDY)
    return total


def _frames(packet: bytes, code: int) -> int:
    if code < 3:  # one frame, two of equal size, two of any size
        return (1, 2, 2)[code]
    if len(packet) < 2:
        raise InputError("A truncated Opus packet", BARE_REMEDY)
    # Code 3: bits 0 to 5 are the number of frames, bit 6 means padding, bit 7 frames of different sizes.
    return packet[1] & 0x3F


def _frame_samples(configuration: int) -> int:
    if configuration < 12:  # SILK: 10, 20, 40, 60 ms
        return (480, 960, 1920, 2880)[configuration % 4]
    if configuration < 16:  # hybrid: 10, 20 ms
        return (480, 960)[configuration % 2]
    return (120, 240, 480, 960)[configuration % 4]  # CELT: 2.5, 5, 10, 20 ms


def checked_samples(packet: bytes) -> int:
    """Return the samples at 48 kHz in a packet. Raises InputError if no decoder could decode it."""
    samples = opus_samples(packet)
    if _largest_frame(packet) > MAX_FRAME_BYTES:
        raise InputError("An Opus packet has a frame that is too large", BARE_REMEDY)
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
        # 255 means 254 bytes of padding, and another length byte follows.
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
    return InputError("An Opus packet is cut short", BARE_REMEDY)


def join_packets(packets: Sequence[bytes]) -> bytes:
    """Join up to MAX_PACKETS packets of 1 to 65,535 bytes each."""
    return b"".join(len(packet).to_bytes(LENGTH_BYTES, "big") + packet for packet in packets)


def split_packets(data: bytes) -> list[bytes]:
    """Split data that `join_packets` joined into its packets. Raises BadMessage for other data."""
    packets: list[bytes] = []
    at = 0
    while at < len(data):
        begin = at + LENGTH_BYTES
        at = begin + int.from_bytes(data[at:begin], "big")
        if at == begin or at > len(data) or len(packets) == MAX_PACKETS:
            raise BadMessage(f"The joined Opus packets are cut off, empty or more than {MAX_PACKETS}", JOIN_REMEDY)
        packets.append(data[begin:at])
    return packets
