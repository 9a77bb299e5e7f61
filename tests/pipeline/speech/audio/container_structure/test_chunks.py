"""The chunks of WAV, AIFF, CAF, W64 and AVI files are followed to the last byte, and only one holds samples."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import AudioError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.container_structure import ChunkLayout
from tests.pipeline.speech.audio.container_structure.files import JUNK, fault_in, heard, length, made

FORMS = {
    "wav": ChunkLayout("little", 4, 4, first=12),
    "aiff": ChunkLayout("big", 4, 4, first=12),
    "caf": ChunkLayout("big", 4, 8, first=8, align=1),
    "w64": ChunkLayout("little", 16, 8, first=40, align=8, inclusive=True),
}
KINDS = st.sampled_from(sorted(FORMS))
NAMES = st.sampled_from([b"LIST", b"fact", b"bext", b"id3 ", b"iXML"])
CHUNKS = st.lists(st.tuples(NAMES, st.binary(max_size=30)), max_size=6)


def head(kind: str) -> bytes:
    first = FORMS[kind].first
    assert first is not None
    return b"\xff" * first


def chunk(kind: str, name: bytes, body: bytes) -> bytes:
    form = FORMS[kind]
    stated = len(body) + (form.name + form.length if form.inclusive else 0)
    whole = name.ljust(form.name, b"\xf3") + stated.to_bytes(form.length, form.order) + body
    return whole + bytes(-len(whole) % form.align)


def chunks(kind: str, found: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(chunk(kind, name, body) for name, body in found)


def test_chunks_after_the_samples_of_a_wav_may_hold_text_but_no_samples() -> None:
    assert heard(made("wav") + b"LIST" + struct.pack("<I", 400) + bytes(400)) > 2
    more = struct.pack("<I", 40_000) + made("wav")[-40_000:]
    for kind in (b"RIFF", b"\1\2\3\4"):
        with pytest.raises(AudioError, match="was not decoded completely: the 40,008 bytes"):
            heard(made("wav") + kind + more)
    with pytest.raises(AudioError, match="was not decoded completely: it has a second block of samples at byte"):
        heard(made("wav") + b"data" + more)


@pytest.mark.parametrize("stated", [0, 0xFFFF_FFFF])
def test_chunks_after_samples_of_unknown_length_are_accepted(stated: int) -> None:
    data = bytearray(made("wav"))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", stated)
    assert heard(bytes(data)) == pytest.approx(length("tt-weasels"), abs=0.01)


def test_a_wav_with_64_bit_lengths_is_accepted() -> None:
    samples = made("wav")[-64_000:]
    sizes = struct.pack("<QQQI", len(samples) + 72, len(samples), len(samples) // 2, 0)
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
    head = b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<I", len(sizes)) + sizes + form
    data = head + b"data\xff\xff\xff\xff" + samples
    assert heard(data) == pytest.approx(2)
    assert heard(data + b"LIST" + struct.pack("<I", 400) + bytes(400)) == pytest.approx(2)
    with pytest.raises(AudioError, match="was not decoded completely"):
        heard(data + JUNK)


def test_samples_after_the_stated_length_of_a_wav_are_refused() -> None:
    data = bytearray(made("wav"))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 16_000)
    with pytest.raises(AudioError, match=r"the file was not decoded completely: the 78,\d+ bytes from byte 16,\d+ on"):
        heard(bytes(data))


@given(KINDS, CHUNKS, st.binary(min_size=1, max_size=50), CHUNKS)
def test_chunks_around_one_block_of_samples_are_a_whole_file(
    kind: str, before: list[tuple[bytes, bytes]], samples: bytes, after: list[tuple[bytes, bytes]]
) -> None:
    data = head(kind) + chunks(kind, before) + chunk(kind, b"data", samples) + chunks(kind, after)
    assert fault_in(FORMS[kind].fault, data) is None


@given(KINDS, CHUNKS, CHUNKS)
def test_a_second_block_of_samples_is_named_by_its_place(
    kind: str, between: list[tuple[bytes, bytes]], after: list[tuple[bytes, bytes]]
) -> None:
    first = head(kind) + chunk(kind, b"data", b"one") + chunks(kind, between)
    said = fault_in(FORMS[kind].fault, first + chunk(kind, b"data", b"two") + chunks(kind, after))
    assert said == f"it has a second block of samples at byte {len(first):,}"


@given(KINDS, CHUNKS)
def test_data_that_is_no_chunk_is_named_by_its_place(kind: str, before: list[tuple[bytes, bytes]]) -> None:
    whole = head(kind) + chunk(kind, b"data", b"samples.") + chunks(kind, before)
    said = fault_in(FORMS[kind].fault, whole + JUNK)
    assert said == f"the {len(JUNK):,} bytes from byte {len(whole):,} on are not part of the recording"


@pytest.mark.parametrize("kind", FORMS)
def test_samples_of_unknown_length_end_with_the_last_packet(kind: str) -> None:
    begin = head(kind) + chunk(kind, b"data", b"")
    whole = begin + JUNK[:800]
    packets = range(len(begin), len(whole))
    assert fault_in(FORMS[kind].fault, whole + chunk(kind, b"LIST", JUNK), packets) is None
    assert fault_in(FORMS[kind].fault, whole + JUNK, packets) is not None


def test_a_form_without_a_first_chunk_is_checked_after_the_last_packet() -> None:
    form = ChunkLayout("little", 4, 4)
    assert fault_in(form.fault, JUNK + chunk("wav", b"idx1", JUNK), range(len(JUNK))) is None
    assert fault_in(form.fault, JUNK + JUNK, range(len(JUNK))) is not None


@given(KINDS, st.binary(max_size=400))
def test_any_bytes_are_checked_to_an_end(kind: str, data: bytes) -> None:
    said = fault_in(FORMS[kind].fault, head(kind) + data)
    assert said is None or "byte" in said
