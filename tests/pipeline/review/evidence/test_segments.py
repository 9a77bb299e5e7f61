"""The marks of finished utterances survive any cut, and a removed mark is gone."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.review.evidence import segments
from pipeline.review.evidence.segments import MARK_RECORD, Finish, FinishMark

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
