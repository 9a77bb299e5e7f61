"""The utterance log on disk: searches, deletion, and recovery after a crash."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from pipeline.base.errors import DependencyError
from pipeline.contract.messages import Utterance
from pipeline.review.evidence.lookback import SUFFIX, Lookback, open_lookback
from pipeline.review.evidence.segments import SHARE
from pipeline.settings import Settings, Store
from tests.builders import NOON, utterance

HOUR = 3_600.0


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def said(name: str, start: float, end: float, size: int = 100, **changes: str) -> Utterance:
    return utterance(name, NOON + start, NOON + end, data=name.encode().ljust(size, b"."), **changes)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lookback(tmp_path: Path, clock: Clock) -> Lookback:
    return Lookback(tmp_path / "log", 24 * HOUR, 100_000, clock)


def names(found: list[Utterance]) -> list[str]:
    return [utterance.id for utterance in found]


def before(log: Lookback, start: float, seconds: float = 5.0, address: str = "") -> list[str]:
    return names(log.before("room", "ann", NOON + start, seconds, address))


def test_get_finds_an_utterance_by_its_address(lookback: Lookback) -> None:
    one, two = said("one", 0, 5), said("two", 6, 9)
    addresses = [lookback.put(one), lookback.put(two)]
    found = [lookback.get(address) for address in addresses]
    assert found == [
        msgspec.structs.replace(utterance, address=address)
        for utterance, address in zip((one, two), addresses, strict=True)
    ]


@pytest.mark.parametrize(
    "address",
    ["", "voice.utterances/0/1", "lookback/../../etc/passwd/0", "lookback/1767268800000-00000000/0", "lookback/x/y"],
)
def test_an_unknown_address_gives_none(lookback: Lookback, address: str) -> None:
    lookback.put(said("one", 0, 5))
    assert lookback.get(address) is None


def test_an_address_inside_a_record_gives_none(lookback: Lookback) -> None:
    address = lookback.put(said("one", 0, 5))
    folder, _, offset = address.rpartition("/")
    assert lookback.get(f"{folder}/{int(offset) + 7}") is None
    assert lookback.get(f"{folder}/999999999999") is None


def test_before_finds_the_speaker_s_utterances_in_the_seconds_before(lookback: Lookback) -> None:
    for each in (said("old", 0, 5), said("late", 16, 19), said("reaching", 8, 14), said("now", 20, 22)):
        address = lookback.put(each)
    lookback.put(said("bob", 16, 19, speaker="bob"))
    lookback.put(said("elsewhere", 16, 19, room="other"))
    lookback.put(said("after", 23, 25))
    assert before(lookback, 20, 8, address) == ["reaching", "late"]
    assert before(lookback, 20, 0.5, address) == []
    # After a forced cut, an utterance begins before the last one ended. Only the utterance itself is left out.
    assert before(lookback, 21, 8, address) == ["reaching", "late"]
    assert before(lookback, 21, 8) == ["reaching", "late", "now"]


def test_after_a_restart_all_utterances_are_found(lookback: Lookback, clock: Clock) -> None:
    addresses = [lookback.put(said(str(n), n, n + 1)) for n in range(5)]
    clock.now += 60
    again = Lookback(lookback.folder, 24 * HOUR, 100_000, clock)
    again.put(said("new", 5, 6))
    assert before(again, 6, 4) == ["2", "3", "4", "new"]
    assert [again.get(address) is not None for address in addresses] == [True] * 5


def test_another_reader_sees_new_utterances(lookback: Lookback) -> None:
    reader = Lookback(lookback.folder, 24 * HOUR, 100_000)
    for n in range(3):
        lookback.put(said(str(n), n, n + 1))
        assert before(reader, n + 1, 60) == [str(number) for number in range(n + 1)]


@pytest.mark.parametrize("kept", [0, 3, 16, 40, -1])
def test_a_crash_loses_only_the_incomplete_record(lookback: Lookback, clock: Clock, kept: int) -> None:
    whole = lookback.put(said("whole", 0, 5))
    torn = lookback.put(said("torn", 6, 9))
    [file] = lookback.folder.glob(f"*{SUFFIX}")
    end = int(torn.rpartition("/")[2]) + kept if kept >= 0 else file.stat().st_size - 1
    with file.open("r+b") as segment:
        segment.truncate(end)
    again = Lookback(lookback.folder, 24 * HOUR, 100_000, clock)
    assert again.get(torn) is None
    assert again.get(whole) is not None
    again.put(said("next", 10, 12))
    assert before(again, 12, 60) == ["whole", "next"]


def test_old_utterances_are_deleted_while_nobody_speaks(lookback: Lookback, clock: Clock) -> None:
    address = lookback.put(said("old", 0, 5))
    lookback.expire(clock.now + 24 * HOUR)
    assert lookback.get(address) is not None
    assert before(lookback, 6) == ["old"]
    lookback.expire(clock.now + 25 * HOUR + 1)
    assert lookback.get(address) is None
    assert before(lookback, 6) == []
    assert list(lookback.folder.iterdir()) == []


def test_new_utterances_delete_old_ones(lookback: Lookback, clock: Clock) -> None:
    for hour in range(60):
        clock.now = NOON + hour * HOUR
        lookback.put(said(str(hour), hour * HOUR, hour * HOUR + 5))
    kept = [int(name) for name in before(lookback, 60 * HOUR, 60 * HOUR)]
    assert kept == list(range(kept[0], 60))
    assert 24 <= len(kept) <= 26


def test_opening_deletes_old_utterances(lookback: Lookback, clock: Clock) -> None:
    lookback.put(said("old", 0, 5))
    clock.now += 48 * HOUR
    Lookback(lookback.folder, 24 * HOUR, 100_000, clock)
    assert list(lookback.folder.iterdir()) == []


@pytest.mark.parametrize("size", [100, 3_000, 30_000])
def test_the_size_is_bounded_and_the_newest_utterances_stay(lookback: Lookback, clock: Clock, size: int) -> None:
    for n in range(400_000 // size):
        clock.now += 0.5
        address = lookback.put(said(str(n), n, n + 1, size))
        stored = sum(file.stat().st_size for file in lookback.folder.iterdir())
        assert stored <= 100_000
        assert lookback.get(address) is not None
    assert stored > 100_000 * (1 - 3 / SHARE) - size


def test_the_index_is_bounded_but_an_address_still_works(tmp_path: Path, clock: Clock) -> None:
    lookback = Lookback(tmp_path, 24 * HOUR, 100_000, clock, max_entries=3)
    addresses = [lookback.put(said(str(n), n, n + 1)) for n in range(10)]
    assert before(lookback, 10, 60) == ["7", "8", "9"]
    assert lookback.get(addresses[0]) is not None


def test_threads_write_and_read(lookback: Lookback) -> None:
    def talk(speaker: str) -> list[str]:
        put = [lookback.put(said(f"{speaker}{n}", n, n + 1, speaker=speaker)) for n in range(50)]
        found = names(lookback.before("room", speaker, NOON + 60, 100, ""))
        assert [utterance.id for address in put if (utterance := lookback.get(address))] == found
        return found

    with ThreadPoolExecutor(4) as pool:
        assert [len(found) for found in pool.map(talk, "abcd")] == [50] * 4


def test_the_error_names_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DependencyError, match=rf"{tmp_path}/file/log cannot be used: Not a directory"):
        Lookback(tmp_path / "file" / "log", HOUR, 1_000)


def test_the_log_continues_after_a_full_disk(lookback: Lookback, monkeypatch: pytest.MonkeyPatch) -> None:
    lookback.put(said("before", 0, 5))
    [file] = lookback.folder.glob(f"*{SUFFIX}")
    # Every write to /dev/full fails, as on a full disk.
    real = Lookback._file
    monkeypatch.setattr(
        Lookback, "_file", lambda self, name: Path("/dev/full") if name == file.stem else real(self, name)
    )
    with pytest.raises(DependencyError, match="No space left on device"):
        lookback.put(said("lost", 6, 9))
    monkeypatch.undo()
    lookback.put(said("after", 10, 12))
    assert before(lookback, 12, 60) == ["before", "after"]
    assert len(list(lookback.folder.glob(f"*{SUFFIX}"))) == 2


def test_other_files_in_the_folder_are_not_touched(lookback: Lookback) -> None:
    for name in ("notes.txt", f"notes{SUFFIX}"):
        (lookback.folder / name).write_text("mine")
    lookback.put(said("one", 0, 5))
    lookback.expire(NOON + 1_000 * HOUR)
    assert sorted(file.name for file in lookback.folder.iterdir()) == ["notes.txt", f"notes{SUFFIX}"]


def test_the_settings_set_the_folder_and_the_limits(tmp_path: Path, clock: Clock) -> None:
    settings = Settings(data_dir=tmp_path, store=Store(lookback_hours=1, lookback_bytes=10_000_000))
    lookback = open_lookback(settings, clock)
    address = lookback.put(said("one", 0, 5))
    assert lookback.folder == tmp_path / "lookback"
    lookback.expire(NOON + 1.1 * HOUR)
    assert lookback.get(address) is None


def test_latest_finds_utterances_of_one_speaker_or_of_all(lookback: Lookback) -> None:
    for each in (
        said("old", 0, 5),
        said("reaching", 8, 14),
        said("bob", 12, 16, speaker="bob"),
        said("late", 18, 22),
        said("elsewhere", 12, 16, room="other"),
        said("after", 20, 25),
    ):
        lookback.put(each)

    def latest(speaker: str | None, end: float, seconds: float) -> list[str]:
        return names(*lookback.latest("room", speaker, NOON + end, seconds))

    assert latest("ann", 20, 10) == ["reaching", "late"]
    assert latest(None, 20, 10) == ["reaching", "bob", "late"]
    assert latest(None, 20, 1) == ["late"]
    assert latest("cy", 20, 10) == []
    assert list(lookback.latest("none", None, NOON + 20, 10)) == [[]]
