"""The journal keeps audio on disk until it is cut, and a little longer, and then deletes it."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.base.errors import DependencyError
from pipeline.contract.messages import AudioChunk
from pipeline.runner.journal import AGAIN, PAGE_SECONDS, SUFFIX, Journal
from tests.builders import utterance

KEEP_SECONDS = 20.0


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


Opens = Callable[[], Journal]


@pytest.fixture
def opens(tmp_path: Path, clock: Clock) -> Opens:
    """Opens the journal, as each process does."""
    return lambda: Journal(tmp_path / "journal", KEEP_SECONDS, clock)


def chunk(sequence: int, speaker: str = "ann") -> AudioChunk:
    return AudioChunk(room="r", speaker=speaker, start=float(sequence), sequence=sequence, data=b"pcm" * sequence)


def add(journal: Journal, clock: Clock, *chunks: AudioChunk) -> None:
    """Add each chunk to a page of its own."""
    for each in chunks:
        clock.now += PAGE_SECONDS
        journal.add(each)


def pages(journal: Journal) -> int:
    return len([path for path in journal.folder.iterdir() if path.suffix in {SUFFIX, AGAIN}])


def nothing(room: str, speaker: str) -> int:
    del room, speaker
    return 0


def last(room: str, speaker: str) -> int:
    """Unfinished speech needs the last chunk of each speaker."""
    del room, speaker
    return 1


def sequences(journal: Journal) -> tuple[list[int], list[int]]:
    """The chunks that were cut, and the chunks that are left."""
    return [each.sequence for each in journal.cut()], [each.sequence for each in journal.left()]


def test_chunks_of_a_killed_process_are_read_again_in_order(opens: Opens, clock: Clock) -> None:
    chunks = [chunk(1), chunk(1, "bob"), chunk(2), chunk(3)]
    add(opens(), clock, *chunks)
    found = opens()
    assert (list(found.cut()), list(found.left())) == ([], chunks)


def test_audio_that_was_cut_comes_before_the_audio_that_is_left(opens: Opens, clock: Clock) -> None:
    journal = opens()
    add(journal, clock, chunk(1), chunk(2), chunk(3))
    journal.taken([chunk(1), chunk(2)], last)
    assert sequences(opens()) == ([1], [2, 3])
    journal.taken([], nothing)
    assert sequences(opens()) == ([1, 2], [3])


@pytest.mark.parametrize("start", [1e9, 1e9 - 3_600, 1e9 + 3_600])
def test_times_do_not_decide_what_was_cut(opens: Opens, start: float) -> None:
    """The clock jumps before the second chunk, which is not processed yet."""
    journal, jumped = opens(), AudioChunk(room="r", speaker="ann", start=start, sequence=2)
    journal.add(AudioChunk(room="r", speaker="ann", start=1e9, sequence=1))
    journal.add(jumped)
    journal.taken([chunk(1)], nothing)
    assert list(opens().left()) == [jumped]


def test_each_speaker_has_marks_of_its_own(opens: Opens) -> None:
    journal = opens()
    for each in (chunk(1), chunk(11, "bob"), chunk(2), chunk(12, "bob")):
        journal.add(each)
    journal.taken([chunk(11, "bob"), chunk(12, "bob"), chunk(1)], nothing)
    assert sequences(opens()) == ([1, 11, 12], [2])


def test_audio_that_is_processed_before_it_is_added_is_marked_later(opens: Opens) -> None:
    """The runner puts a chunk into the queue first."""
    journal = opens()
    journal.taken([chunk(1)], nothing)
    journal.add(chunk(1))
    journal.add(chunk(2))
    journal.taken([], nothing)
    assert sequences(opens()) == ([1], [2])


def test_audio_that_is_needed_again_keeps_its_mark(opens: Opens) -> None:
    """Speech that was returned unfinished goes on, and the segment stage then needs all of its chunks."""
    journal = opens()
    for number in (1, 2, 3):
        journal.add(chunk(number))
        journal.taken([chunk(number)], nothing if number == 2 else lambda *_: 3)
    assert sequences(opens()) == ([1, 2], [3])


def test_replayed_audio_is_read_even_if_it_was_cut(opens: Opens) -> None:
    journal = opens()
    journal.add(chunk(1))
    journal.taken([chunk(1)], nothing)
    opens().add_again(chunk(1))
    replaying = opens()
    assert sequences(replaying) == ([1], [1])
    replaying.taken([chunk(1)], nothing)
    assert sequences(opens()) == ([1, 1], [])


def test_utterances_are_kept_as_long_as_the_audio_around_them(opens: Opens, clock: Clock) -> None:
    journal = opens()
    add(journal, clock, chunk(1))
    journal.taken([chunk(1)], nothing, [utterance("one")])
    add(journal, clock, chunk(2))
    journal.taken([chunk(2)], nothing, [utterance("two")])
    assert [(each.id, each.data) for each in opens().sent()] == [("one", b""), ("two", b"")]
    clock.now += KEEP_SECONDS
    journal.taken([], nothing)
    assert [each.id for each in opens().sent()] == ["two"]


def test_a_page_is_deleted_some_time_after_all_of_it_is_cut(opens: Opens, clock: Clock) -> None:
    journal = opens()
    add(journal, clock, chunk(1), chunk(2), chunk(3))
    journal.taken([chunk(1), chunk(2), chunk(3)], last)
    clock.now += KEEP_SECONDS
    journal.taken([], last)
    assert pages(journal) == 1
    journal.taken([], nothing)
    clock.now += PAGE_SECONDS
    journal.taken([], nothing)
    assert list(journal.folder.iterdir()) == []


def test_audio_that_is_read_again_stays_until_it_is_cut(opens: Opens, clock: Clock) -> None:
    add(opens(), clock, chunk(1), chunk(2))
    second = opens()
    assert len(list(second.left())) == 2
    add(second, clock, chunk(3))
    clock.now += PAGE_SECONDS + KEEP_SECONDS
    second.taken([chunk(1)], nothing)
    third = opens()  # the second process was killed, too
    assert sequences(third) == ([1], [2, 3])
    third.taken([chunk(2), chunk(3)], nothing)
    clock.now += PAGE_SECONDS + KEEP_SECONDS
    third.taken([], nothing)
    assert list(third.folder.iterdir()) == []


def test_a_speaker_who_left_leaves_nothing_in_memory(opens: Opens) -> None:
    journal = opens()
    for number in range(100):
        journal.add(chunk(0, f"s{number}"))
        journal.taken([chunk(0, f"s{number}")], nothing)
    assert journal._lines == {}


def test_a_clean_stop_leaves_no_pages(opens: Opens, clock: Clock) -> None:
    journal = opens()
    add(journal, clock, chunk(1), chunk(2))
    journal.taken([chunk(1), chunk(2)], last)
    journal.close()
    assert list(journal.folder.iterdir()) == []


def test_an_incomplete_record_loses_only_itself(opens: Opens) -> None:
    journal = opens()
    for number in (1, 2, 3):
        journal.add(chunk(number))
    (page,) = journal.folder.iterdir()
    page.write_bytes(page.read_bytes()[:-1])
    assert sequences(opens()) == ([], [1, 2])


def test_a_page_with_a_damaged_record_is_deleted(opens: Opens, clock: Clock) -> None:
    opens().add(chunk(1))
    (page,) = opens().folder.iterdir()
    page.write_bytes(page.read_bytes()[:-1] + b"?")
    journal = opens()
    assert sequences(journal) == ([], [])
    clock.now += PAGE_SECONDS + KEEP_SECONDS
    journal.taken([], nothing)
    assert list(journal.folder.iterdir()) == []


def test_marks_that_do_not_fit_on_the_disk_are_written_later(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner repeats the call. Then nothing is marked twice, and nothing that was not processed."""
    journal = opens()
    for number in (1, 2, 3):
        journal.add(chunk(number))
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda target, record: write(target, record[:-3]))
        with pytest.raises(DependencyError, match=os.strerror(errno.ENOSPC)):
            journal.taken([chunk(1), chunk(2)], nothing)
    journal.taken([chunk(1), chunk(2)], nothing)
    assert sequences(opens()) == ([1, 2], [3])


def test_other_users_cannot_read_the_journal(opens: Opens) -> None:
    journal = opens()
    journal.add(chunk(1))
    journal.taken([chunk(1)], nothing)
    assert journal.folder.stat().st_mode & 0o077 == 0
    assert all(page.stat().st_mode & 0o077 == 0 for page in journal.folder.iterdir())


def test_the_error_names_the_folder_if_the_disk_fails(opens: Opens) -> None:
    journal = opens()
    journal.folder.rmdir()
    with pytest.raises(DependencyError, match=f"The journal {journal.folder} cannot be used: No such file"):
        journal.add(chunk(1))
