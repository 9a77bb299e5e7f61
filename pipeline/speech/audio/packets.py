"""Several Opus packets in the data of one chunk. Each packet follows its length: two bytes, big-endian."""

from collections.abc import Sequence

from pipeline.base.errors import BadMessage

LENGTH_BYTES = 2

MAX_PACKETS = 500
"""Maximum packets in one chunk. A packet holds up to 120 ms, so without a limit a small record could hold hours."""

REMEDY = "docs/contract.md describes how to join packets."


def pack(packets: Sequence[bytes]) -> bytes:
    """Join up to MAX_PACKETS packets of 1 to 65,535 bytes each."""
    return b"".join(len(packet).to_bytes(LENGTH_BYTES, "big") + packet for packet in packets)


def unpack(data: bytes) -> list[bytes]:
    """Split data that `pack` joined into its packets. Raises BadMessage for other data."""
    packets: list[bytes] = []
    at = 0
    while at < len(data):
        begin = at + LENGTH_BYTES
        at = begin + int.from_bytes(data[at:begin], "big")
        if at == begin or at > len(data) or len(packets) == MAX_PACKETS:
            raise BadMessage(f"The joined Opus packets are cut off, empty or more than {MAX_PACKETS}", REMEDY)
        packets.append(data[begin:at])
    return packets
