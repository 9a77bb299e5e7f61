"""The look-back's records: from any bytes, only records that were written are read."""

import io
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import Utterance
from pipeline.review.evidence import recordfile
from tests.builders import utterance

utterances = st.builds(
    Utterance,
    id=st.uuids().map(str),
    room=st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20),
    speaker=st.sampled_from(["ann", "小王"]),
    start=st.floats(0, 2e9),
    end=st.floats(0, 2e9),
    forced=st.booleans(),
    overlap=st.floats(0, 1),
    data=st.binary(max_size=200),
)


def scan(content: bytes, offset: int = 0) -> list[tuple[int, int, Utterance]]:
    return list(recordfile.scan_records(io.BytesIO(content), offset, len(content), Utterance))


@given(st.lists(utterances, max_size=5))
def test_written_records_are_read_back(written: list[Utterance]) -> None:
    content = b"".join(map(recordfile.pack_record, written))
    found = scan(content)
    assert [u for _, _, u in found] == [msgspec.structs.replace(u, data=b"") for u in written]
    assert [recordfile.read_record(io.BytesIO(content), offset, Utterance) for offset, _, _ in found] == written
    assert [0, *(following for _, following, _ in found)][-1] == len(content)


@given(st.lists(utterances, min_size=1, max_size=4), st.data())
def test_an_incomplete_end_loses_only_the_last_record(written: list[Utterance], data: st.DataObject) -> None:
    records = [recordfile.pack_record(u) for u in written]
    whole = b"".join(records[:-1])
    torn = whole + records[-1][: data.draw(st.integers(0, len(records[-1]) - 1))]
    assert [u.id for _, _, u in scan(torn)] == [u.id for u in written[:-1]]
    assert recordfile.read_record(io.BytesIO(torn), len(whole), Utterance) is None
    # The writer may not have finished yet. Then the record at the same place can be read later.
    assert [u.id for _, _, u in scan(whole + records[-1], len(whole))] == [written[-1].id]


@given(utterances, st.data())
def test_a_record_with_a_changed_byte_is_not_read(written: Utterance, data: st.DataObject) -> None:
    record = bytearray(recordfile.pack_record(written))
    record[data.draw(st.integers(0, len(record) - 1))] ^= data.draw(st.integers(1, 255))
    assert recordfile.read_record(io.BytesIO(bytes(record)), 0, Utterance) is None


@given(st.binary(max_size=300), st.integers(0, 400))
def test_random_bytes_raise_no_error(content: bytes, offset: int) -> None:
    assert scan(content, offset) == []
    assert recordfile.read_record(io.BytesIO(content), offset, Utterance) is None


def test_zeros_are_not_a_record() -> None:
    assert scan(bytes(4096)) == []


def test_a_record_with_correct_checksums_but_no_utterance_is_not_read() -> None:
    record = recordfile.pack_record(utterance("a", data=b""))
    meta = msgspec.msgpack.encode({"id": 5})
    head = recordfile.HEAD.pack(len(meta), 0, crc32(meta), 0)
    assert [u.id for _, _, u in scan(record + head + meta + record)] == ["a"]


def test_a_message_that_does_not_fit_is_refused() -> None:
    huge = utterance("x" * recordfile.MAX_META, data=b"")
    with pytest.raises(ValueError, match="does not fit into a record"):
        recordfile.pack_record(huge)
