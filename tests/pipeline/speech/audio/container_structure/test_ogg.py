"""Every page of an Ogg file is whole and in its place."""

import re
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import AudioError
from pipeline.speech.audio.container_structure import FIRST_PAGE, LAST_PAGE, ogg_checksum, ogg_fault
from tests.pipeline.speech.audio.container_structure.files import JUNK, KINDS, fault_in, heard, length, made
from tests.pipeline.speech.audio.sound import clip, recording


def page(number: int, flags: int = 0, stream: int = 7, body: bytes = b"packet") -> bytes:
    head = b"OggS\0" + bytes([flags]) + bytes(8) + stream.to_bytes(4, "little") + number.to_bytes(4, "little")
    rest = bytes([1, len(body)]) + body
    return head + ogg_checksum(head + bytes(4) + rest).to_bytes(4, "little") + rest


def stream(count: int, name: int = 7) -> list[bytes]:
    """A whole stream of `count` pages."""
    return [page(n, FIRST_PAGE * (n == 0) | LAST_PAGE * (n == count - 1), name, b"x" * (n % 200)) for n in range(count)]


def pages(data: bytes) -> list[int]:
    return [found.start() for found in re.finditer(b"OggS", data)]


@cache
def opus() -> bytes:
    """An Ogg file with small pages, as live recorders write them."""
    return recording(clip("demo-abouttotry"), *KINDS["ogg"])


def test_one_changed_byte_in_each_ogg_page_is_refused() -> None:
    data = bytearray(opus())
    for at in pages(bytes(data))[3:]:
        data[at + 400] ^= 0xFF
    with pytest.raises(AudioError, match=rf"{len(pages(bytes(data))) - 3} of its \d+ pages are damaged, the first at"):
        heard(bytes(data))


def test_a_missing_ogg_page_is_reported() -> None:
    data, places = opus(), pages(opus())
    with pytest.raises(AudioError, match="1 of its pages are missing"):
        heard(data[: places[4]] + data[places[5] :])


def test_consecutive_ogg_streams_are_decoded_or_refused() -> None:
    assert heard(made("ogg") + made("ogg", "dir-nomatch")) == pytest.approx(
        length("tt-weasels", "dir-nomatch"), abs=0.1
    )


def test_the_ogg_checksum_matches_the_pages_of_a_file() -> None:
    data = made("ogg")
    first = data[: pages(data)[1]]
    assert ogg_checksum(first[:22] + bytes(4) + first[26:]) == int.from_bytes(first[22:26], "little")


@given(st.integers(1, 12), st.integers(1, 12))
def test_whole_streams_are_accepted_one_after_the_other_and_mixed(one: int, two: int) -> None:
    first, second = stream(one, 1), stream(two, 2)
    assert fault_in(ogg_fault, b"".join(first + stream(two, 1))) is None
    mixed = [each for pair in zip(first, second, strict=False) for each in pair]
    mixed += first[two:] + second[one:]
    assert fault_in(ogg_fault, b"".join(mixed)) is None


@given(st.integers(3, 12), st.data())
def test_any_missing_page_is_counted(count: int, data: st.DataObject) -> None:
    pieces = stream(count)
    begin = data.draw(st.integers(1, count - 2))
    end = data.draw(st.integers(begin + 1, count - 1))
    assert fault_in(ogg_fault, b"".join(pieces[:begin] + pieces[end:])) == f"{end - begin} of its pages are missing"


@given(st.integers(1, 12))
def test_a_stream_that_does_not_end_lacks_its_last_page(count: int) -> None:
    assert fault_in(ogg_fault, b"".join(stream(count + 1)[:-1])) == "its last page is missing"


@given(st.integers(1, 8), st.data())
def test_any_changed_bit_of_a_page_is_found(count: int, data: st.DataObject) -> None:
    pieces = [bytearray(each) for each in stream(count)]
    hurt = data.draw(st.integers(0, count - 1))
    frame = {26, 27}  # the sizes, which say where the next page begins
    place = data.draw(st.sampled_from([each for each in range(4, len(pieces[hurt])) if each not in frame]))
    pieces[hurt][place] ^= 1 << data.draw(st.integers(0, 7))
    said = fault_in(ogg_fault, b"".join(pieces)) or ""
    at = sum(map(len, pieces[:hurt]))
    assert said == f"1 of its {count} pages are damaged, the first at byte {at:,}"


@given(st.integers(1, 12))
def test_data_after_the_last_page_is_named_by_its_place(count: int) -> None:
    whole = b"".join(stream(count))
    said = fault_in(ogg_fault, whole + JUNK)
    assert said == f"the {len(JUNK):,} bytes from byte {len(whole):,} on are not part of the recording"


def test_a_stream_that_begins_again_lacks_no_page() -> None:
    """A recorder that was killed starts a new stream, with the same serial number, in the same file."""
    assert fault_in(ogg_fault, b"".join(stream(4)[:-1] + stream(3))) is None
