"""RTP packets for tests."""

from collections.abc import Sequence

from pipeline.connect.rtp.jitter_buffer import RtpPacket

SSRC = 0x1234_5678


def rtp(sequence: int, timestamp: int, payload: bytes = b"speech", **changes: int) -> RtpPacket:
    """Return a packet. Numbers wrap around."""
    return RtpPacket(
        payload_type=changes.get("payload_type", 111),
        marker=bool(changes.get("marker", 0)),
        sequence=sequence % 2**16,
        timestamp=timestamp % 2**32,
        ssrc=changes.get("ssrc", SSRC),
        payload=payload,
    )


def wire(packet: RtpPacket, sources: Sequence[int] = (), extension: bytes | None = None, padding: int = 0) -> bytes:
    """Write a packet, as a media server does. `extension` has whole words; `padding` counts bytes."""
    first = 2 << 6 | (padding > 0) << 5 | (extension is not None) << 4 | len(sources)
    head = bytes([first, packet.marker << 7 | packet.payload_type])
    head += packet.sequence.to_bytes(2, "big") + packet.timestamp.to_bytes(4, "big") + packet.ssrc.to_bytes(4, "big")
    head += b"".join(source.to_bytes(4, "big") for source in sources)
    if extension is not None:
        head += b"\xbe\xde" + (len(extension) // 4).to_bytes(2, "big") + extension
    tail = bytes(padding - 1) + bytes([padding]) if padding else b""
    return head + packet.payload + tail
