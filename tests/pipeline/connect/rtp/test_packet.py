"""RTP packets are read as RFC 3550 writes them, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import InputError
from pipeline.connect.rtp.packet import RtpPacket, is_rtcp, parse
from tests.pipeline.connect.rtp.packets import rtp, wire

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
    assert parse(wire(packet, sources, extension, padding)) == packet


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda data: b"\x80" + data))
def test_any_bytes_are_a_packet_or_an_input_error(data: bytes) -> None:
    try:
        packet = parse(data)
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
        parse(data)


@given(st.integers(0, 255))
def test_reports_are_told_from_audio(second: int) -> None:
    """Audio has types below 64 or from 96 on; RTCP has 192 to 223 there."""
    assert is_rtcp(bytes([0x80, second])) == (64 <= second & 0x7F < 96 and second >= 128)
