"""Opus packets, checked without decoding them: RFC 6716, sections 3.1 and 3.2."""

from pipeline.errors import InputError

MAX_PACKET_SAMPLES = 5_760
"""A packet holds at most 120 ms at 48 kHz."""

MAX_FRAME_BYTES = 1_275
"""Of one of the frames in a packet."""

LONG_LENGTH = 252
"""A first byte from here on says that the length of a frame takes two bytes."""

REMEDY = "Send bare packets, without Ogg or RTP."


def opus_samples(packet: bytes) -> int:
    """Samples at 48 kHz in a packet; raises InputError for what no decoder could take."""
    if not packet:
        raise InputError("An empty Opus packet", REMEDY)
    code = packet[0] & 3
    if code == 0:
        count, largest = 1, len(packet) - 1
    elif code == 1:
        count, largest = 2, _equal(len(packet) - 1, 2)
    elif code == 2:
        count, largest = 2, _varied(packet, 1, len(packet), 2)
    else:
        count, largest = _many(packet)
    samples = count * _frame_samples(packet[0] >> 3)
    if largest > MAX_FRAME_BYTES or not 0 < samples <= MAX_PACKET_SAMPLES:
        raise InputError("An Opus packet with a frame too large, or of no or more than 120 ms", REMEDY)
    return samples


def _many(packet: bytes) -> tuple[int, int]:
    """Frames in a packet of code 3, and the size of the largest."""
    if len(packet) < 2:
        raise _cut_short()
    count, begin, end = packet[1] & 0x3F, 2, len(packet)
    if packet[1] & 0x40:
        begin, end = _without_padding(packet)
    if end < begin or not count:
        raise _cut_short()
    return count, _varied(packet, begin, end, count) if packet[1] & 0x80 else _equal(end - begin, count)


def _without_padding(packet: bytes) -> tuple[int, int]:
    """Where the frames' part of a padded packet begins and ends."""
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
    """The largest of `count` frames whose lengths, but for the last, stand at `begin`; the frames end at `end`."""
    largest = total = 0
    for _ in range(count - 1):
        size, begin = _length(packet, begin, end)
        largest, total = max(largest, size), total + size
    if (last := end - begin - total) < 0:
        raise _cut_short()
    return max(largest, last)


def _length(packet: bytes, at: int, end: int) -> tuple[int, int]:
    """The length of a frame that stands at `at`, and where what follows it begins."""
    if at >= end:
        raise _cut_short()
    if packet[at] < LONG_LENGTH:
        return packet[at], at + 1
    if at + 1 >= end:
        raise _cut_short()
    return 4 * packet[at + 1] + packet[at], at + 2


def _frame_samples(configuration: int) -> int:
    if configuration < 12:  # SILK: 10, 20, 40, 60 ms
        return (480, 960, 1920, 2880)[configuration % 4]
    if configuration < 16:  # hybrid: 10, 20 ms
        return (480, 960)[configuration % 2]
    return (120, 240, 480, 960)[configuration % 4]  # CELT: 2.5, 5, 10, 20 ms


def _cut_short() -> InputError:
    return InputError("An Opus packet cut short", REMEDY)
