"""Joined packets come apart as they were; anything else is refused, and what is accepted has one form only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audio.packets import MAX_PACKETS, pack, unpack
from pipeline.errors import BadMessage


@given(st.lists(st.binary(min_size=1, max_size=1_300), max_size=20))
def test_packets_come_apart_as_they_were(packets: list[bytes]) -> None:
    assert unpack(pack(packets)) == packets


@given(st.lists(st.integers(0, 4), max_size=30).map(bytes) | st.binary(max_size=300))
def test_any_bytes_are_joined_packets_or_refused(data: bytes) -> None:
    try:
        packets = unpack(data)
    except BadMessage:
        return
    assert all(packets)
    assert pack(packets) == data


@pytest.mark.parametrize("data", [b"\0", b"\0\0", b"\0\2x", b"\0\1x\0", pack([b"x"] * (MAX_PACKETS + 1))])
def test_what_breaks_off_or_is_empty_or_too_many_is_refused(data: bytes) -> None:
    with pytest.raises(BadMessage, match="break off"):
        unpack(data)


def test_the_most_and_the_largest_packets_fit() -> None:
    assert len(unpack(pack([b"x"] * MAX_PACKETS))) == MAX_PACKETS
    assert unpack(pack([bytes(65_535)])) == [bytes(65_535)]
