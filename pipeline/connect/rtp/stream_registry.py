"""All RTP streams of this process, by the names that the app gives them, and the UDP ports to which they come."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, get_args

from pipeline.base.errors import DependencyError, InputError, Missing, VoxwardenError
from pipeline.base.metrics import Metrics, from_zero
from pipeline.connect.rtp.jitter_buffer import is_rtcp, parse_packet
from pipeline.connect.rtp.rtp_stream import Address, OpenSpeaker, RtpMapping, RtpStream, State
from pipeline.settings import RtpSettings

MAX_STREAMS = 500
"""Most streams of a process, which one core can receive."""

DROPPED = (
    "rtcp", "invalid", "unmapped", "refused", "source", "payload_type", "flood", "overflow", "late", "duplicate",
    "restart",
)  # fmt: skip
"""Why a packet is dropped."""

BUFFER_BYTES = 262_144
"""Bytes that the kernel keeps of a port: over 10 s of a stream. Each port has its own, so a flood fills only one."""


class OccupiedError(VoxwardenError):
    """Another stream has the speaker or the port."""


class RtpStreams:
    """Opens and closes ports as the app adds and removes streams."""

    def __init__(
        self,
        settings: RtpSettings,
        open_speaker: OpenSpeaker,
        metrics: Metrics,
        ticks: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._open_speaker = open_speaker
        self._metrics = metrics
        self._ticks = ticks
        self._clock = clock
        self._streams: dict[str, RtpStream] = {}
        self._ports: dict[int, RtpPort] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        """The newest task of each speaker, by room and speaker."""
        self._changing = asyncio.Lock()
        """One change at a time: `_opened` waits, so two changes could open the same port."""
        self._last = settings.last_port
        """The port that was opened last."""
        self._watch()

    @property
    def streams(self) -> Mapping[str, RtpStream]:
        return self._streams

    async def put(self, name: str, mapping: RtpMapping) -> RtpStream:
        """Add a stream, or change it. The same stream again takes a new sender from now on.

        Raises OccupiedError, InputError for a port out of range, and DependencyError if no port is free.
        """
        async with self._changing:
            before = self._streams.get(name)
            if before and before.mapping == mapping and not before.refusal:
                before.forget_source()
                return before
            self._check(name, mapping)
            # A changed stream keeps its port, so that the media server need not learn another one. With another SSRC
            # the port may already have a stream of that SSRC.
            keeps = before is not None and before.mapping.ssrc == mapping.ssrc
            number = mapping.port or (before.port if before and keeps else None)
            port = await self._opened(number)  # may fail, and then the old stream goes on
            if before:
                self._remove(name)
            self._add(name, mapping, port)
            self._close_unused()
            return self._streams[name]

    def get(self, name: str) -> RtpStream:
        """Return a stream. Raises Missing."""
        if name not in self._streams:
            raise Missing("No stream has this name")
        return self._streams[name]

    async def delete(self, name: str) -> None:
        """End a stream. The gateway gets the audio that has arrived. Raises Missing."""
        async with self._changing:
            self.get(name)
            self._remove(name)
            self._close_unused()

    async def close(self) -> None:
        """End all streams, and wait until the gateway has their speech."""
        for name in list(self._streams):
            self._remove(name)
        self._close_unused()
        await asyncio.gather(*self._tasks.values())

    def _check(self, name: str, mapping: RtpMapping) -> None:
        for other, stream in self._streams.items():
            if other == name:
                continue
            if (stream.mapping.room, stream.mapping.speaker) == (mapping.room, mapping.speaker):
                raise OccupiedError("Another stream has this speaker", "Delete it first.")
            both = None in (stream.mapping.ssrc, mapping.ssrc) or stream.mapping.ssrc == mapping.ssrc
            if stream.port == mapping.port and both:
                raise OccupiedError("Another stream has this port", "Name the SSRC of both, or leave the port out.")
        if name not in self._streams and len(self._streams) >= MAX_STREAMS:
            raise OccupiedError(f"There are {MAX_STREAMS} streams", "Delete some, or start another process.")
        first, last = self._settings.first_port, self._settings.last_port
        if mapping.port and not first <= mapping.port <= last:
            raise InputError(f"The port is not from {first} to {last}", "Set rtp.first_port and rtp.last_port.")

    def _add(self, name: str, mapping: RtpMapping, number: int) -> None:
        stream = RtpStream(mapping, number, self._open_speaker, self._settings, self._metrics, self._ticks, self._clock)
        self._ports[number].streams[mapping.ssrc] = stream
        self._streams[name] = stream
        key = mapping.room, mapping.speaker
        # The speaker's stream before may still be handing over its last audio, under this or another name.
        task = asyncio.create_task(stream.run(self._tasks.get(key)))
        self._tasks[key] = task
        task.add_done_callback(lambda done: self._forget(key, done))

    def _remove(self, name: str) -> None:
        stream = self._streams.pop(name)
        stream.stop()
        del self._ports[stream.port].streams[stream.mapping.ssrc]

    async def _opened(self, number: int | None) -> int:
        """Open the port `number` if it is not open, or a free one."""
        if number in self._ports:
            return number
        # Other programs use ports, too, so try the next one.
        for each in [number] if number else self._closed():
            with suppress(OSError):
                self._ports[each] = await open_port(self._settings.host, each, self._metrics)
                self._last = each
                return each
        raise DependencyError(
            f"UDP port {number} is in use" if number else "No UDP port is free",
            "Leave the port out, or set rtp.first_port and rtp.last_port to other ports.",
        )

    def _closed(self) -> Iterator[int]:
        """The closed ports. The one that was closed last comes late: its old sender may still be sending."""
        numbers = range(self._settings.first_port, self._settings.last_port + 1)
        after = self._last + 1 - numbers.start
        return (each for each in (*numbers[after:], *numbers[:after]) if each not in self._ports)

    def _close_unused(self) -> None:
        for number in [number for number, port in self._ports.items() if not port.streams]:
            self._ports.pop(number).close()

    def _forget(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        if self._tasks.get(key) is task:  # not the task of a newer stream of this speaker
            del self._tasks[key]

    def _watch(self) -> None:
        """Let the metrics count the streams whenever they are read."""
        from_zero(self._metrics.rtp_dropped, DROPPED)
        from_zero(self._metrics.rtp_unheard_seconds, ("loss", "broken", "gateway"))
        for state in get_args(State):
            self._metrics.rtp_streams.labels(state).set_function(partial(self._count, state))

    def _count(self, state: State) -> int:
        return sum(stream.state == state for stream in list(self._streams.values()))


class RtpPort(asyncio.DatagramProtocol):
    """Gives each packet to its stream. `streams` is by SSRC; None takes every SSRC."""

    def __init__(self, metrics: Metrics) -> None:
        self.streams: dict[int | None, RtpStream] = {}
        self._metrics = metrics
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        # An IPv6 address has two more fields.
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
            packet = parse_packet(data)
        except InputError:
            return "invalid"
        # A named SSRC comes first. A stream without one takes the rest of the port.
        stream = self.streams.get(packet.ssrc) or self.streams.get(None)
        return stream.take(packet, address) if stream else "unmapped"


async def open_port(host: str, number: int, metrics: Metrics) -> RtpPort:
    """Listen on a port. Raises OSError if that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Made by hand, because asyncio cannot set the size of the kernel's buffer before packets arrive.
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
