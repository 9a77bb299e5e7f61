"""One UDP port, and the streams that come to it."""

import asyncio
import socket
from typing import Any

from pipeline.base.errors import InputError
from pipeline.base.metrics import Metrics
from pipeline.connect.rtp.packet import is_rtcp, parse
from pipeline.connect.rtp.stream import Address, RtpStream

BUFFER_BYTES = 262_144
"""The bytes that the kernel keeps of a port: over 10 s of a stream. A flood fills only its own port."""


class RtpPort(asyncio.DatagramProtocol):
    """Gives each packet to its stream. `streams` is by SSRC; None takes every SSRC."""

    def __init__(self, metrics: Metrics) -> None:
        self.streams: dict[int | None, RtpStream] = {}
        self._metrics = metrics
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if reason := self._take(data, addr[:2]):
            self._metrics.rtp_dropped.labels(reason).inc()
        else:
            self._metrics.rtp_packets.inc()

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def _take(self, data: bytes, address: Address) -> str:
        """Return why a packet is dropped; empty if it is not."""
        if is_rtcp(data):
            return "rtcp"
        try:
            packet = parse(data)
        except InputError:
            return "invalid"
        stream = self.streams.get(packet.ssrc) or self.streams.get(None)
        return stream.take(packet, address) if stream else "unmapped"


async def open_port(host: str, number: int, metrics: Metrics) -> RtpPort:
    """Listen on a port. Raises OSError if that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_DGRAM)
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        listener.bind((host, number))
        _, port = await asyncio.get_running_loop().create_datagram_endpoint(lambda: RtpPort(metrics), sock=listener)
    except OSError:
        listener.close()
        raise
    return port
