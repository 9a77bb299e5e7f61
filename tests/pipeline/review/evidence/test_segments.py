"""The marks of finished utterances survive any cut, and a removed mark is gone."""

import io
from pathlib import Path
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import Utterance
from pipeline.review.evidence import segments
from pipeline.review.evidence.segments import MARK_RECORD, Finish, FinishMark
from tests.builders import utterance

JUDGED = FinishMark(1_000.0, Finish.JUDGED)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "segment.marks"
    found.touch()
    return found


def test_the_last_mark_of_an_utterance_counts(file: Path) -> None:
    segments.write_marks(file, [0, 500], JUDGED)
    segments.write_marks(file, [500], FinishMark(2_000.0, Finish.FAILED))
    assert segments.read_marks(file) == {0: JUDGED, 500: FinishMark(2_000.0, Finish.FAILED)}


def test_an_incomplete_mark_at_the_end_is_ignored(file: Path) -> None:
    segments.write_marks(file, [0, 500], JUDGED)
    for cut in range(MARK_RECORD.size):
        file.write_bytes(file.read_bytes()[: 2 * MARK_RECORD.size - cut])
        assert set(segments.read_marks(file)) == ({0, 500} if cut == 0 else {0})


def test_a_removed_mark_is_gone_and_the_others_stay(file: Path) -> None:
    segments.write_marks(file, [0, 500], JUDGED)
    segments.remove_marks(file, 0)
    assert segments.read_marks(file) == {500: JUDGED}
    assert file.stat().st_mode & 0o777 == 0o600


def test_nothing_is_written_beside_a_deleted_segment(file: Path) -> None:
    file.unlink()
    segments.write_marks(file, [0], JUDGED)
    assert not file.exists()


@given(content=st.binary(max_size=200))
def test_any_content_is_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    found = tmp_path_factory.mktemp("any") / "x.marks"
    found.write_bytes(content)
    assert len(segments.read_marks(found)) <= len(content) // MARK_RECORD.size


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
    return list(segments.scan_records(io.BytesIO(content), offset, len(content), Utterance))


@given(st.lists(utterances, max_size=5))
def test_written_records_are_read_back(written: list[Utterance]) -> None:
    content = b"".join(map(segments.pack_record, written))
    found = scan(content)
    assert [u for _, _, u in found] == [msgspec.structs.replace(u, data=b"") for u in written]
    assert [segments.read_record(io.BytesIO(content), offset, Utterance) for offset, _, _ in found] == written
    assert [0, *(following for _, following, _ in found)][-1] == len(content)


@given(st.lists(utterances, min_size=1, max_size=4), st.data())
def test_an_incomplete_end_loses_only_the_last_record(written: list[Utterance], data: st.DataObject) -> None:
    records = [segments.pack_record(u) for u in written]
    whole = b"".join(records[:-1])
    torn = whole + records[-1][: data.draw(st.integers(0, len(records[-1]) - 1))]
    assert [u.id for _, _, u in scan(torn)] == [u.id for u in written[:-1]]
    assert segments.read_record(io.BytesIO(torn), len(whole), Utterance) is None
    # The writer may not have finished yet. Then the record at the same place can be read later.
    assert [u.id for _, _, u in scan(whole + records[-1], len(whole))] == [written[-1].id]


@given(utterances, st.data())
def test_a_record_with_a_changed_byte_is_not_read(written: Utterance, data: st.DataObject) -> None:
    record = bytearray(segments.pack_record(written))
    record[data.draw(st.integers(0, len(record) - 1))] ^= data.draw(st.integers(1, 255))
    assert segments.read_record(io.BytesIO(bytes(record)), 0, Utterance) is None


@given(st.binary(max_size=300), st.integers(0, 400))
def test_random_bytes_raise_no_error(content: bytes, offset: int) -> None:
    assert scan(content, offset) == []
    assert segments.read_record(io.BytesIO(content), offset, Utterance) is None


def test_zeros_are_not_a_record() -> None:
    assert scan(bytes(4096)) == []


def test_a_record_with_correct_checksums_but_no_utterance_is_not_read() -> None:
    record = segments.pack_record(utterance("a", data=b""))
    meta = msgspec.msgpack.encode({"id": 5})
    head = segments.HEAD.pack(len(meta), 0, crc32(meta), 0)
    assert [u.id for _, _, u in scan(record + head + meta + record)] == ["a"]


def test_a_message_that_does_not_fit_is_refused() -> None:
    huge = utterance("x" * segments.MAX_META, data=b"")
    with pytest.raises(ValueError, match="does not fit into a record"):
        segments.pack_record(huge)
