"""Parse RTP packets, put the packets of one sender in order, and find out which are lost (RFC 3550).

A packet in order passes at once. After a gap, packets wait for at most `delay` seconds: the network may have swapped
them. Then the missing ones are lost.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline.base.errors import InputError

HEADER = 12
"""Bytes of the fixed part of the header."""
WORD = 4
"""Bytes. RTP counts sources and extensions in words of 32 bits."""
RTCP_TYPES = range(192, 224)
"""Second bytes of RTCP packets, which may come to the same port (RFC 5761, section 4)."""

MOST_WAITING = 64
"""The most packets that wait. With one more, the gap before them counts as lost at once."""
LARGEST_GAP = 3_000
"""A sequence number further ahead belongs to another stream (RFC 3550, appendix A.1): a minute at 20 ms."""
LARGEST_DELAY = 100
"""A sequence number further behind does, too."""
LARGEST_STEP = 480_000
"""Ticks from the newest timestamp within which speech goes on: 10 s of Opus."""
REMEMBERED = 256
"""Lost numbers that are remembered, to tell late packets from duplicates."""


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


@dataclass(frozen=True, slots=True)
class ArrivedPacket:
    """A packet and when it arrived, in seconds of a monotonic clock."""

    packet: RtpPacket
    at: float


@dataclass(frozen=True, slots=True)
class InTurn:
    """A packet whose turn has come."""

    arrival: ArrivedPacket
    lost: int
    """How many packets before it are lost."""
    restarted: bool
    """Whether it begins a stream: its numbers and times have nothing to do with those before."""


class JitterBuffer:
    """Follows one sender. `dropped` gets the reason for each packet that is not used: late, duplicate or restart.

    A sender that restarts has another SSRC, or distant numbers. It takes two packets in a row to prove this, so one odd
    packet changes nothing. Numbers alone hide no speech: if the time of a packet goes on, it passes with any number,
    because players go by the time.
    """

    def __init__(self, delay: float, dropped: Callable[[str], None]) -> None:
        self._delay = delay
        self._dropped = dropped
        self._ssrc: int | None = None
        self._next: int | None = None
        """The number that comes next, counted on beyond 16 bits. None: the first packets may be swapped, too."""
        self._newest = 0
        self._heard = 0
        """The timestamp of the last packet that has passed."""
        self._waiting: dict[int, ArrivedPacket] = {}
        self._lost: deque[int] = deque(maxlen=REMEMBERED)
        self._restarted = True
        self._odd: ArrivedPacket | None = None
        """The last packet that does not fit."""

    def push(self, arrival: ArrivedPacket) -> Iterator[InTurn]:
        """Take a packet. Yield the packets whose turn has come."""
        number = self._number(arrival.packet)
        if self._goes_on(number, arrival.packet):
            yield from self._follow(arrival)
        elif number is not None:
            self._forget_odd()
            yield from self._put(number, arrival)
        # The first packet that does not fit waits for a second one, as a source on probation (RFC 3550, appendix
        # A.1).
        elif (odd := self._odd) is None or not _follows(odd.packet, arrival.packet):
            self._forget_odd()
            self._odd = arrival
        else:
            yield from self._restart(odd, arrival)

    def due(self) -> float | None:
        """When the wait for a missing packet ends. None: nothing waits."""
        return min(arrival.at for arrival in self._waiting.values()) + self._delay if self._waiting else None

    def release(self, now: float) -> Iterator[InTurn]:
        """Give up the missing packets for which others have waited long enough. Yield the others."""
        while (due := self.due()) is not None and due <= now:
            yield from self._give_up()

    def flush(self) -> Iterator[InTurn]:
        """Yield all packets that wait."""
        while self._waiting:
            yield from self._give_up()

    def _number(self, packet: RtpPacket) -> int | None:
        """The packet's number, counted on from the newest one. None if it cannot belong to the same stream."""
        if self._ssrc is None:
            self._begin(packet)
        if packet.ssrc != self._ssrc:
            return None
        # Serial number arithmetic: the difference of two 16-bit numbers, from -32768 to 32767.
        ahead = (packet.sequence - self._newest + 0x8000) % 0x10000 - 0x8000
        return self._newest + ahead if -LARGEST_DELAY <= ahead <= LARGEST_GAP else None

    def _goes_on(self, number: int | None, packet: RtpPacket) -> bool:
        """Whether the time of a packet goes on, although its number is behind or distant."""
        if packet.ssrc != self._ssrc or self._next is None or (number is not None and number >= self._next):
            return False
        return 0 < (packet.timestamp - self._heard) % 2**32 <= LARGEST_STEP

    def _follow(self, arrival: ArrivedPacket) -> Iterator[InTurn]:
        """Let a packet pass, and count on from its number."""
        yield from self.flush()
        self._forget_odd()
        self._lost.clear()
        self._next = self._newest = arrival.packet.sequence
        yield from self._put(self._next, arrival)

    def _begin(self, packet: RtpPacket) -> None:
        self._ssrc, self._next, self._newest = packet.ssrc, None, packet.sequence
        self._restarted = True
        self._lost.clear()

    def _put(self, number: int, arrival: ArrivedPacket) -> Iterator[InTurn]:
        self._newest = max(self._newest, number)
        if number in self._waiting or (self._next is not None and number < self._next):
            self._dropped("late" if number in self._lost else "duplicate")
            return
        self._waiting[number] = arrival
        yield from self._in_order()  # yields nothing at the start of a stream, while `_next` is None
        if len(self._waiting) > MOST_WAITING:
            yield from self._give_up()

    def _in_order(self, lost: int = 0) -> Iterator[InTurn]:
        while self._next is not None and (arrival := self._waiting.pop(self._next, None)):
            self._next += 1
            self._heard = arrival.packet.timestamp
            yield InTurn(arrival, lost, self._restarted)
            lost, self._restarted = 0, False  # only the first packet after a gap bears it

    def _give_up(self) -> Iterator[InTurn]:
        first = min(self._waiting)
        missing = range(first if self._next is None else self._next, first)
        self._lost.extend(missing)
        self._next = first
        yield from self._in_order(len(missing))

    def _restart(self, *arrivals: ArrivedPacket) -> Iterator[InTurn]:
        yield from self.flush()  # the old stream's audio comes first
        self._odd = None
        self._begin(arrivals[0].packet)
        for arrival in arrivals:
            number = self._number(arrival.packet)
            if number is not None:
                yield from self._put(number, arrival)

    def _forget_odd(self) -> None:
        if self._odd:
            self._dropped("restart")
        self._odd = None


def _follows(before: RtpPacket, packet: RtpPacket) -> bool:
    return packet.ssrc == before.ssrc and packet.sequence == (before.sequence + 1) % 0x10000


def is_rtcp(data: bytes) -> bool:
    return len(data) > 1 and data[1] in RTCP_TYPES


def parse_packet(data: bytes) -> RtpPacket:
    """Parse a packet. Raises InputError if it is not RTP, is cut off, or carries nothing."""
    if len(data) < HEADER or data[0] >> 6 != 2:  # the first two bits are the version, which is 2
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
    # The length counts itself, so 0 is wrong. Then only that byte is left out.
    return len(data) - data[-1] if data[0] & 0x20 and data[-1] else len(data) - bool(data[0] & 0x20)
