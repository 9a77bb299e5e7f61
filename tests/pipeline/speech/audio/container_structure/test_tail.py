"""Tags and padding may follow a recording; other data may not."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.speech.audio.container_structure import TAIL_TOLERANCE, beyond, end_of_tags, tail_fault, unheard
from tests.pipeline.speech.audio.container_structure.files import JUNK, fault_in, heard, length, made

ID3V1 = b"TAG" + b"a title".ljust(125, b"\0")
APE = b"Title\0".rjust(200, b"\x01") + b"APETAGEX" + struct.pack("<IIII8x", 2_000, 232, 1, 0)
APE_WITH_HEAD = b"APETAGEX".ljust(32, b"\x01") + APE[:-12] + struct.pack("<I8x", 1 << 31)
LYRICS = b"LYRICSBEGIN" + b"la " * 100 + b"000311LYRICS200"
TAGS = st.lists(st.sampled_from([ID3V1, APE, APE_WITH_HEAD, LYRICS, bytes(128), bytes(640)]), max_size=6).map(b"".join)


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "aac", "aiff", "ogg", "m4a", "webm"])
def test_tags_and_padding_at_the_end_are_accepted(kind: str) -> None:
    assert heard(made(kind) + ID3V1) == pytest.approx(length("tt-weasels"), abs=0.1)


@pytest.mark.parametrize("kind", ["wav", "flac", "aac"])
def test_large_tags_at_the_end_are_accepted(kind: str) -> None:
    for tags in (APE, APE + ID3V1, bytes(4_096)):
        assert heard(made(kind) + tags) == pytest.approx(length("tt-weasels"), abs=0.1)


@given(TAGS)
def test_tags_and_blocks_of_padding_are_skipped_in_any_order(tags: bytes) -> None:
    assert end_of_tags(io.BytesIO(JUNK + tags), len(JUNK), len(JUNK + tags)) == len(JUNK)
    assert fault_in(tail_fault, JUNK + tags, range(len(JUNK))) is None


@pytest.mark.parametrize("size", [8, 9, 31])
def test_a_tag_that_is_cut_off_is_no_tag(size: int) -> None:
    data = b"APETAGEX".ljust(size, b"\x01")
    assert end_of_tags(io.BytesIO(data), 0, size) == size


@given(TAGS, st.integers(0, 2 * TAIL_TOLERANCE))
def test_other_data_is_refused_if_it_could_hold_a_word(tags: bytes, more: int) -> None:
    data = JUNK + b"\x01" * more + tags
    said = beyond(io.BytesIO(data), len(data), len(JUNK))
    assert said == (unheard(len(JUNK), len(data)) if more > TAIL_TOLERANCE else None)


def test_a_tag_cannot_hide_the_recording_before_it() -> None:
    """A tag that states more than its own size ends where the last packet ends, and no earlier."""
    huge = APE[:-20] + struct.pack("<III8x", 0xFFFF_FFF0, 1, 0)
    assert end_of_tags(io.BytesIO(JUNK + huge), len(JUNK), len(JUNK + huge)) == len(JUNK)


def test_the_fault_names_place_and_size() -> None:
    assert unheard(1_000, 5_500) == "the 4,500 bytes from byte 1,000 on are not part of the recording"


@given(st.binary(max_size=400), st.integers(0, 400))
def test_the_tags_of_any_bytes_end_between_the_last_packet_and_the_end(data: bytes, begin: int) -> None:
    begin = min(begin, len(data))
    assert begin <= end_of_tags(io.BytesIO(data), begin, len(data)) <= len(data)
