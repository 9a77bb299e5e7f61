"""Joined packets are split into the same packets, other data is refused, and each list of packets has one encoding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import BadMessage
from pipeline.speech.audio.packets import MAX_PACKETS, pack, unpack


@given(st.lists(st.binary(min_size=1, max_size=1_300), max_size=20))
def test_joined_packets_are_split_into_the_same_packets(packets: list[bytes]) -> None:
    assert unpack(pack(packets)) == packets


@given(st.lists(st.integers(0, 4), max_size=30).map(bytes) | st.binary(max_size=300))
def test_any_bytes_are_joined_packets_or_are_refused(data: bytes) -> None:
    try:
        packets = unpack(data)
    except BadMessage:
        return
    assert all(packets)
    assert pack(packets) == data


@pytest.mark.parametrize("data", [b"\0", b"\0\0", b"\0\2x", b"\0\1x\0", pack([b"x"] * (MAX_PACKETS + 1))])
def test_packets_that_are_cut_off_or_empty_or_too_many_are_refused(data: bytes) -> None:
    with pytest.raises(BadMessage, match="are cut off"):
        unpack(data)


def test_the_maximum_number_and_size_of_packets_fit() -> None:
    assert len(unpack(pack([b"x"] * MAX_PACKETS))) == MAX_PACKETS
    assert unpack(pack([bytes(65_535)])) == [bytes(65_535)]
