"""Packets come out in order, each once, and the missing ones are counted, however the network treats them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import InputError
from pipeline.connect.rtp.jitter_buffer import ArrivedPacket, InTurn, JitterBuffer, RtpPacket, is_rtcp, parse_packet
from tests.pipeline.connect.rtp.packets import rtp, wire

DELAY = 0.1


class Network:
    """Gives packets to a buffer. The clock stands until `wait`."""

    def __init__(self) -> None:
        self.dropped: list[str] = []
        self.turns: list[InTurn] = []
        self.now = 0.0
        self.buffer = JitterBuffer(DELAY, self.dropped.append)

    def bring(self, *packets: RtpPacket) -> None:
        for packet in packets:
            self.turns += self.buffer.push(ArrivedPacket(packet, self.now))

    def wait(self, seconds: float = DELAY) -> None:
        self.now += seconds
        self.turns += self.buffer.release(self.now)

    @property
    def told(self) -> list[tuple[int, int]]:
        """The sequence number of each packet, and how many were lost before it."""
        return [(turn.arrival.packet.sequence, turn.lost) for turn in self.turns]


def begun(first: int = 0) -> Network:
    """A network whose first packet has passed."""
    network = Network()
    network.bring(rtp(first, 0))
    network.wait()
    return network


def at(*numbers: int) -> list[RtpPacket]:
    return [rtp(number, 960 * number) for number in numbers]


def test_packets_in_order_pass_at_once() -> None:
    network = begun()
    network.bring(*at(1, 2))
    assert network.told == [(0, 0), (1, 0), (2, 0)]
    assert [turn.restarted for turn in network.turns] == [True, False, False]


def test_swapped_packets_are_put_in_order_also_at_the_start() -> None:
    network = Network()
    network.bring(*at(1, 0, 3, 2))
    network.wait()
    assert network.told == [(0, 0), (1, 0), (2, 0), (3, 0)]


def test_a_missing_packet_is_lost_after_the_delay_and_late_afterwards() -> None:
    network = begun()
    network.bring(*at(2))
    network.wait(DELAY / 2)
    assert network.told == [(0, 0)]
    network.wait(DELAY / 2)
    assert network.told == [(0, 0), (2, 1)]
    network.bring(*at(1, 2, 3))
    assert (network.told[2:], network.dropped) == ([(3, 0)], ["late", "duplicate"])


def test_numbers_wrap_around() -> None:
    network = begun(2**16 - 2)
    network.bring(*at(2**16 - 1, 2**16 + 1, 2**16, 2**16 + 2))
    assert network.told == [(65_534, 0), (65_535, 0), (0, 0), (1, 0), (2, 0)]


def test_a_gap_is_given_up_when_too_many_packets_wait() -> None:
    network = begun()
    network.bring(*at(*range(2, 67)))
    assert network.told[1] == (2, 1)
    assert len(network.told) == 66


def test_a_sender_restarts_with_two_packets_in_a_row() -> None:
    network = begun()
    again = [rtp(30_000 + number, 7 * number, ssrc=9) for number in range(3)]
    network.bring(*at(2), *again)
    network.wait()
    assert network.told == [(0, 0), (2, 1), (30_000, 0), (30_001, 0), (30_002, 0)]
    assert [turn.restarted for turn in network.turns] == [True, False, True, False, False]
    assert network.dropped == []


@pytest.mark.parametrize("step", [-1, 4_000, -200, 30_000])
def test_numbers_alone_hide_no_speech(step: int) -> None:
    network = begun()
    network.bring(*(rtp(step * place, 960 * place) for place in range(1, 100)))
    network.wait()
    assert [turn.arrival.packet.timestamp for turn in network.turns] == [960 * place for place in range(100)]
    assert network.dropped == []
    assert sum(turn.restarted for turn in network.turns) == 1


def test_an_odd_packet_changes_nothing() -> None:
    network = begun()
    network.bring(rtp(500, 0, ssrc=9), rtp(900, 0, ssrc=9), *at(1), rtp(30_000, 0), *at(2))
    assert network.told == [(0, 0), (1, 0), (2, 0)]
    assert network.dropped == ["restart"] * 3


@given(
    st.integers(0, 2**17),
    st.lists(st.sampled_from(["pass", "lose", "swap", "twice"]), min_size=1, max_size=200),
    st.integers(0, 5),
)
def test_each_packet_is_used_once_or_lost(first: int, fates: list[str], pause: int) -> None:
    packets = at(*range(first, first + len(fates)))
    network, sent = Network(), []
    for packet, fate, before in zip(packets, fates, ["", *fates], strict=False):
        sent += [] if fate == "lose" else [packet] * (2 if fate == "twice" else 1)
        if (before, fate) == ("pass", "swap"):
            sent[-2:] = sent[:-3:-1]
    for packet in sent:
        network.bring(packet)
        network.wait(pause * DELAY / 10)
    network.turns += network.buffer.flush()
    kept = sorted({packet.timestamp for packet in sent})
    assert [turn.arrival.packet.timestamp for turn in network.turns] == kept
    between = len(range(kept[0], kept[-1], 960)) + 1 if kept else 0
    assert len(kept) + sum(turn.lost for turn in network.turns) == between
    assert len(network.dropped) == len(sent) - len(kept)


@given(st.lists(st.tuples(st.integers(0, 2**16 - 1), st.sampled_from([1, 2]), st.floats(0, 0.2)), max_size=200))
def test_whatever_comes_memory_is_bounded(packets: list[tuple[int, int, float]]) -> None:
    network = Network()
    for sequence, ssrc, pause in packets:
        network.bring(rtp(sequence, 0, ssrc=ssrc))
        network.wait(pause)
    network.turns += network.buffer.flush()
    held = 0 if network.buffer._odd is None else 1
    assert len(network.turns) + len(network.dropped) + held == len(packets)
    assert network.buffer.due() is None


PACKETS = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    marker=st.booleans(),
    sequence=st.integers(0, 2**16 - 1),
    timestamp=st.integers(0, 2**32 - 1),
    ssrc=st.integers(0, 2**32 - 1),
    payload=st.binary(min_size=1, max_size=40),
)


@given(
    PACKETS,
    st.lists(st.integers(0, 2**32 - 1), max_size=15),
    st.none() | st.integers(0, 5).map(lambda words: bytes(4 * words)),
    st.integers(0, 255),
)
def test_a_written_packet_is_read_back(
    packet: RtpPacket, sources: list[int], extension: bytes | None, padding: int
) -> None:
    assert parse_packet(wire(packet, sources, extension, padding)) == packet


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda data: b"\x80" + data))
def test_any_bytes_are_a_packet_or_an_input_error(data: bytes) -> None:
    try:
        packet = parse_packet(data)
    except InputError:
        return
    assert packet.payload
    assert packet.payload in data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        wire(rtp(1, 1))[:12],
        b"\x40" + wire(rtp(1, 1))[1:],  # version 1
        b"\x8f" + wire(rtp(1, 1))[1:],  # 15 sources that are not there
        b"\x90" + wire(rtp(1, 1))[1:],  # an extension that is cut off
        wire(rtp(1, 1, b""), padding=4),
        b"\xa0" + wire(rtp(1, 1, b"\0"))[1:],  # padding of no bytes
        b"\xa0" + wire(rtp(1, 1, b"\xff"))[1:],  # padding of more bytes than there are
    ],
)
def test_a_packet_that_is_cut_off_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        parse_packet(data)


@given(st.integers(0, 255))
def test_reports_are_told_from_audio(second: int) -> None:
    """Audio has types below 64 or from 96 on; RTCP has 192 to 223 there."""
    assert is_rtcp(bytes([0x80, second])) == (64 <= second & 0x7F < 96 and second >= 128)
