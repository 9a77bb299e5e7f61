"""The journal keeps audio on disk until it is cut, and then deletes it."""

from pathlib import Path

import pytest

from pipeline.base.errors import DependencyError
from pipeline.contract.messages import AudioChunk
from pipeline.runner.journal import PAGE_SECONDS, Journal


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def chunk(sequence: int, speaker: str = "ann") -> AudioChunk:
    return AudioChunk(room="r", speaker=speaker, start=float(sequence), sequence=sequence, data=b"pcm" * sequence)


def add(journal: Journal, clock: Clock, *chunks: AudioChunk) -> None:
    """Add each chunk to a page of its own."""
    for each in chunks:
        clock.now += PAGE_SECONDS
        journal.add(each)


def pages(journal: Journal) -> int:
    return len(list(journal.folder.iterdir()))


def nothing(room: str, speaker: str) -> None:
    del room, speaker


def test_chunks_of_a_killed_process_are_read_again_in_order(tmp_path: Path, clock: Clock) -> None:
    add(Journal(tmp_path, clock), clock, chunk(1), chunk(1, "bob"), chunk(2), chunk(3))
    found = list(Journal(tmp_path, clock).left(lambda *_: float("-inf")))
    assert found == [chunk(1), chunk(1, "bob"), chunk(2), chunk(3)]


@pytest.mark.parametrize(("cut_to", "left"), [(0.5, [1, 2, 3]), (2.0, [2, 3]), (2.5, [2, 3]), (9.0, [3])])
def test_audio_that_was_cut_is_not_read_again(tmp_path: Path, clock: Clock, cut_to: float, left: list[int]) -> None:
    """The end of the last chunk is unknown, so it is always processed again."""
    add(Journal(tmp_path, clock), clock, chunk(1), chunk(2), chunk(3))
    found = Journal(tmp_path, clock).left(lambda *_: cut_to)
    assert [each.sequence for each in found] == left


def test_replayed_audio_is_read_even_if_it_was_cut(tmp_path: Path, clock: Clock) -> None:
    for number in (1, 2):
        Journal(tmp_path, clock).add_again(chunk(number))
    assert [each.sequence for each in Journal(tmp_path, clock).left(lambda *_: 9.0)] == [1, 2]


def test_a_page_is_deleted_when_all_of_it_is_processed(tmp_path: Path, clock: Clock) -> None:
    journal = Journal(tmp_path, clock)
    add(journal, clock, chunk(1), chunk(2), chunk(3))
    assert pages(journal) == 3
    journal.taken(2, nothing)
    assert pages(journal) == 1
    clock.now += PAGE_SECONDS
    journal.taken(1, nothing)
    assert pages(journal) == 0


def test_unfinished_speech_keeps_the_pages_that_it_needs(tmp_path: Path, clock: Clock) -> None:
    journal = Journal(tmp_path, clock)
    add(journal, clock, chunk(1), chunk(2), chunk(3))
    journal.taken(3, lambda room, speaker: 2.5)
    assert [each.sequence for each in Journal(tmp_path, clock).left(lambda *_: 0.0)] == [2, 3]


def test_audio_that_is_read_again_stays_until_it_is_cut(tmp_path: Path, clock: Clock) -> None:
    add(Journal(tmp_path, clock), clock, chunk(1), chunk(2))
    second = Journal(tmp_path, clock)
    assert len(list(second.left(lambda *_: 0.0))) == 2
    add(second, clock, chunk(3))
    third = Journal(tmp_path, clock)  # the second process was killed, too
    assert [each.sequence for each in third.left(lambda *_: 0.0)] == [1, 2, 3]
    third.taken(3, nothing)
    assert pages(third) == 0


def test_a_clean_stop_leaves_no_pages(tmp_path: Path, clock: Clock) -> None:
    journal = Journal(tmp_path, clock)
    add(journal, clock, chunk(1), chunk(2))
    journal.taken(2, nothing)
    journal.close()
    assert pages(journal) == 0


def test_an_incomplete_record_loses_only_itself(tmp_path: Path, clock: Clock) -> None:
    journal = Journal(tmp_path, clock)
    for number in (1, 2, 3):
        journal.add(chunk(number))
    (page,) = tmp_path.iterdir()
    page.write_bytes(page.read_bytes()[:-1])
    assert [each.sequence for each in Journal(tmp_path, clock).left(lambda *_: 0.0)] == [1, 2]


def test_other_users_cannot_read_the_journal(tmp_path: Path, clock: Clock) -> None:
    journal = Journal(tmp_path / "journal", clock)
    journal.add(chunk(1))
    assert journal.folder.stat().st_mode & 0o077 == 0
    assert all(page.stat().st_mode & 0o077 == 0 for page in journal.folder.iterdir())


def test_the_error_names_the_folder_if_the_disk_fails(tmp_path: Path, clock: Clock) -> None:
    journal = Journal(tmp_path / "journal", clock)
    journal.folder.rmdir()
    with pytest.raises(DependencyError, match=f"The journal {journal.folder} cannot be used: No such file"):
        journal.add(chunk(1))
