"""The duration of an Opus packet, from its first bytes and without decoding."""

from pipeline.base.errors import InputError

OPUS_RATE = 48_000
"""Hz. Opus always decodes to this rate."""

MAX_PACKET = OPUS_RATE * 120 // 1000
"""Maximum samples in an Opus packet: 120 ms (RFC 6716, section 3.2.5)."""


def opus_samples(packet: bytes) -> int:
    """Samples at 48 kHz in an Opus packet, from its TOC byte (RFC 6716, section 3.1).

    Raises InputError if the packet is empty, truncated, or longer than 120 ms.
    """
    if not packet:
        raise InputError("An empty Opus packet", "Send one packet per frame.")
    configuration, code = packet[0] >> 3, packet[0] & 3
    total = _frames(packet, code) * _frame_samples(configuration)
    if not 0 < total <= MAX_PACKET:
        raise InputError("An Opus packet of 0 ms or of more than 120 ms", "Send bare packets, without Ogg or RTP.")
    return total


def _frames(packet: bytes, code: int) -> int:
    if code < 3:
        return (1, 2, 2)[code]
    if len(packet) < 2:
        raise InputError("A truncated Opus packet", "Send bare packets, without Ogg or RTP.")
    return packet[1] & 0x3F


def _frame_samples(configuration: int) -> int:
    if configuration < 12:  # SILK: 10, 20, 40, 60 ms
        return (480, 960, 1920, 2880)[configuration % 4]
    if configuration < 16:  # hybrid: 10, 20 ms
        return (480, 960)[configuration % 2]
    return (120, 240, 480, 960)[configuration % 4]  # CELT: 2.5, 5, 10, 20 ms
