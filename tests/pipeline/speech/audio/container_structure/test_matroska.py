"""The elements of Matroska and WebM files are followed to the last byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import AudioError
from pipeline.speech.audio.container_structure import ELEMENT_IDS, OPEN_ELEMENTS, matroska_fault
from tests.pipeline.speech.audio.container_structure.files import JUNK, KINDS, fault_in, heard, length
from tests.pipeline.speech.audio.sound import clip, recording


def element(name: int, body: bytes, width: int = 1) -> bytes:
    """An element whose length field has `width` bytes."""
    size = (len(body) | 1 << 7 * width).to_bytes(width, "big")
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + size + body


def live(name: int) -> bytes:
    """The head of an element of unstated length, as live recorders write it."""
    return name.to_bytes(4, "big") + b"\x01" + b"\xff" * 7


ELEMENTS = st.builds(element, st.sampled_from(sorted(ELEMENT_IDS)), st.binary(max_size=100), st.integers(1, 8))
PARTS = st.lists(ELEMENTS | st.sampled_from(sorted(OPEN_ELEMENTS)).map(live), max_size=8).map(b"".join)


def test_garbage_between_the_clusters_of_a_webm_is_refused() -> None:
    data = bytearray(recording(clip("demo-echotest"), *KINDS["webm"]))
    clusters = [at for at in range(len(data)) if data.startswith(b"\x1f\x43\xb6\x75", at)]
    for at in clusters[1:-1]:
        data[at : at + 4] = b"\x01\x02\x03\x04"
    with pytest.raises(AudioError, match=r"was not decoded completely|is incomplete"):
        heard(bytes(data))


def test_a_live_webm_without_lengths_is_accepted() -> None:
    data = recording(clip("tt-weasels"), *KINDS["webm"])
    at = data.index(b"\x18\x53\x80\x67") + 4
    assert heard(data[:at] + b"\x01" + b"\xff" * 7 + data[at + 8 :]) == pytest.approx(length("tt-weasels"), abs=0.1)


@given(PARTS)
def test_known_elements_are_a_whole_file_for_any_width_of_their_lengths(data: bytes) -> None:
    assert fault_in(matroska_fault, data) is None


@given(PARTS, PARTS)
def test_an_element_that_no_player_knows_is_named_by_its_place(before: bytes, after: bytes) -> None:
    data = before + element(0x1A2B3C4D, JUNK, 4) + after + b"\x01"
    said = fault_in(matroska_fault, data)
    assert said == f"the {len(data) - len(before):,} bytes from byte {len(before):,} on are not part of the recording"


@given(PARTS, st.integers(1, 99))
def test_a_file_that_ends_inside_an_element_is_incomplete(before: bytes, missing: int) -> None:
    data = before + element(0xA3, JUNK[:100])[:-missing]
    assert fault_in(matroska_fault, data) == f"it ends inside the element at byte {len(before):,}"


def test_an_element_without_a_name_is_no_element() -> None:
    assert fault_in(matroska_fault, b"\0" + JUNK) is not None


@given(st.binary(max_size=400))
def test_any_bytes_are_checked_to_an_end(data: bytes) -> None:
    said = fault_in(matroska_fault, data)
    assert said is None or "byte" in said
