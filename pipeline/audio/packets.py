"""Several Opus packets as the data of one chunk: each stands after its length, two bytes, big-endian."""

from collections.abc import Sequence

from pipeline.errors import BadMessage

LENGTH_BYTES = 2

MAX_PACKETS = 500
"""In one chunk. A packet holds up to 120 ms, so that a small record cannot hold hours."""

REMEDY = "docs/contract.md shows how packets are joined."


def pack(packets: Sequence[bytes]) -> bytes:
    """Join up to MAX_PACKETS packets of 1 to 65,535 bytes."""
    return b"".join(len(packet).to_bytes(LENGTH_BYTES, "big") + packet for packet in packets)


def unpack(data: bytes) -> list[bytes]:
    """The packets that `pack` joined; raises BadMessage for anything else."""
    packets: list[bytes] = []
    at = 0
    while at < len(data):
        begin = at + LENGTH_BYTES
        at = begin + int.from_bytes(data[at:begin], "big")
        if at == begin or at > len(data) or len(packets) == MAX_PACKETS:
            raise BadMessage(f"Joined Opus packets that break off, are empty or more than {MAX_PACKETS}", REMEDY)
        packets.append(data[begin:at])
    return packets
