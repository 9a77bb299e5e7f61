"""The last frame of a FLAC file is whole, and no other data hides in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import AudioError
from pipeline.speech.audio.container_structure import LONGEST_FRAME, flac_checksum, flac_fault
from tests.pipeline.speech.audio.container_structure.files import JUNK, fault_in, heard, length, made

FRAMES = st.binary(min_size=1, max_size=300).map(lambda body: body + flac_checksum(body).to_bytes(2, "big"))


def test_the_flac_checksum_matches_its_check_value() -> None:
    assert flac_checksum(b"123456789") == 0xFEE8  # the check value of CRC-16/UMTS
    assert flac_checksum(b"123456789\xfe\xe8") == 0


@pytest.mark.parametrize("total", [0, 1, 16_000])
def test_a_flac_with_a_wrong_length_is_decoded_to_its_end(total: int) -> None:
    data = bytearray(made("flac"))
    data[21:26] = bytes([data[21] & 0xF0]) + total.to_bytes(4, "big")
    assert heard(bytes(data)) == pytest.approx(length("tt-weasels"), abs=0.01)


@pytest.mark.parametrize("stated", [True, False])
def test_a_damaged_flac_frame_is_reported(stated: bool) -> None:
    data = bytearray(made("flac"))
    data[len(data) // 2] ^= 0x10
    if not stated:
        data[21:26] = bytes([data[21] & 0xF0]) + bytes(4)
    with pytest.raises(AudioError, match="are missing"):
        heard(bytes(data))


@given(FRAMES)
def test_a_frame_with_its_own_checksum_is_whole(frame: bytes) -> None:
    assert flac_checksum(frame) == 0
    assert fault_in(flac_fault, b"head" + frame, range(4, 4 + len(frame))) is None


@given(FRAMES, st.data())
def test_any_changed_bit_of_the_last_frame_is_found(frame: bytes, data: st.DataObject) -> None:
    hurt = bytearray(b"head" + frame)
    place = data.draw(st.integers(4, len(hurt) - 1))
    hurt[place] ^= 1 << data.draw(st.integers(0, 7))
    said = fault_in(flac_fault, bytes(hurt), range(4, len(hurt)))
    assert said == "its last frame is damaged, or other data follows it"


@given(FRAMES)
def test_padding_and_tags_after_the_last_frame_are_no_part_of_it(frame: bytes) -> None:
    whole = frame + b"TAG" + b"a title".ljust(125, b"\x01")
    assert fault_in(flac_fault, whole, range(len(whole))) is None
    assert fault_in(flac_fault, frame + JUNK, range(len(frame + JUNK))) is not None


def test_a_frame_longer_than_any_encoder_writes_is_refused_without_a_checksum() -> None:
    """The checksum of so much data would take long, and an attacker can make it fit."""
    body = JUNK * (LONGEST_FRAME // len(JUNK) + 1)
    at = LONGEST_FRAME
    said = fault_in(flac_fault, body, range(len(body)))
    assert said == f"the {len(body) - at:,} bytes from byte {at:,} on are not part of the recording"
