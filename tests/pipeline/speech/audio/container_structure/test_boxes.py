"""The boxes of MP4, M4A and QuickTime files are followed to the last byte."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.speech.audio.container_structure import BOX_TYPES, mp4_fault
from tests.pipeline.speech.audio.container_structure.files import JUNK, fault_in, heard, length, made

BODIES = st.binary(max_size=40)
NAMES = st.sampled_from(sorted(BOX_TYPES - {b"moov"}))


def box(name: bytes, body: bytes = b"", *, wide: bool = False) -> bytes:
    """A box. A `wide` one has a length of 64 bits."""
    if wide:
        return struct.pack(">I4sQ", 1, name, 16 + len(body)) + body
    return struct.pack(">I4s", 8 + len(body), name) + body


BOXES = st.builds(box, NAMES, BODIES, wide=st.booleans())
WHOLE = st.lists(BOXES, max_size=8).map(b"".join)


def test_an_edit_list_hides_no_audio() -> None:
    data = bytearray(made("m4a"))
    at = data.index(b"elst") + 12  # duration and media time follow version, flags and count
    data[at : at + 4] = struct.pack(">I", 500)
    assert heard(bytes(data)) == pytest.approx(length("tt-weasels"), abs=0.1)


@given(WHOLE, WHOLE)
def test_known_boxes_around_one_index_are_a_whole_file(before: bytes, after: bytes) -> None:
    assert fault_in(mp4_fault, before + box(b"moov", b"index") + after) is None


@given(WHOLE)
def test_a_last_box_of_unstated_length_reaches_the_end_of_the_file(before: bytes) -> None:
    assert fault_in(mp4_fault, before + struct.pack(">I4s", 0, b"mdat") + JUNK) is None


@given(WHOLE, WHOLE)
def test_a_second_index_is_a_second_recording(between: bytes, after: bytes) -> None:
    first = box(b"moov") + between
    said = fault_in(mp4_fault, first + box(b"moov") + after)
    assert said == f"a second recording begins before byte {len(first):,}"


@given(WHOLE)
def test_a_box_that_no_player_knows_is_named_by_its_place(before: bytes) -> None:
    said = fault_in(mp4_fault, before + box(b"evil", JUNK))
    assert said == f"the {len(JUNK) + 8:,} bytes from byte {len(before):,} on are not part of the recording"


@pytest.mark.parametrize("stated", [2, 7, len(JUNK) + 9, 0xFFFF_FFFF])
def test_a_box_with_an_impossible_length_is_refused(stated: int) -> None:
    assert fault_in(mp4_fault, struct.pack(">I4s", stated, b"mdat") + JUNK) is not None


@given(st.binary(max_size=400))
def test_any_bytes_are_checked_to_an_end(data: bytes) -> None:
    said = fault_in(mp4_fault, data)
    assert said is None or "byte" in said
