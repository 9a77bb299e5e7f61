"""After a runner is killed, the next runner finishes its work."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from msgspec import structs

from pipeline.base.errors import BadMessage, DependencyError
from pipeline.contract.messages import AudioChunk, EarlyUtterance, Flag, Sound, Transcript, Utterance
from pipeline.contract.stage import NO_BACKLOG, Backlog, HoldingProcessor, Processor, Rejected
from pipeline.review.evidence.lookback import Lookback, open_lookback
from pipeline.review.evidence.segments import Finish
from pipeline.runner.journal import Journal
from pipeline.runner.recovery import Logged, LoggedSounds, Recovery
from pipeline.settings import Settings
from tests.builders import flag, sound, transcript, utterance


class Deaf(HoldingProcessor[AudioChunk, Utterance | EarlyUtterance]):
    """Like the segment stage, returns nothing for audio that it has processed before."""

    def __init__(self) -> None:
        self._heard: set[int] = set()

    def process(self, batch: Sequence[AudioChunk]) -> list[Utterance | EarlyUtterance | Rejected]:
        fresh = [chunk for chunk in batch if chunk.sequence not in self._heard]
        self._heard.update(chunk.sequence for chunk in fresh)
        return [said(str(chunk.sequence), chunk.start) for chunk in fresh]

    def held_since(self, room: str, speaker: str) -> float | None:
        del room, speaker
        return None

    def needed(self, room: str, speaker: str) -> int:
        del room, speaker
        return 0

    def lead_in(self, earlier: Iterable[AudioChunk], told: Iterable[Utterance | EarlyUtterance] = ()) -> None:
        """Nothing comes before."""


def said(name: str, start: float = 0.0, speaker: str = "s", *, forced: bool = False) -> Utterance:
    return utterance(name, start, room="r", speaker=speaker, forced=forced)


def chunk(sequence: int, speaker: str = "s") -> AudioChunk:
    return AudioChunk(room="r", speaker=speaker, start=float(sequence), sequence=sequence)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def recovery(settings: Settings) -> Recovery:
    return Recovery(settings, open_lookback(settings))


def again(settings: Settings) -> Recovery:
    """The recovery of the next process."""
    return Recovery(settings, open_lookback(settings))


def test_a_temporary_failure_of_the_look_back_loses_no_utterance(tmp_path: Path) -> None:
    """The runner retries the same batch, and the stage takes it for a duplicate."""
    folder = tmp_path / "lookback"
    lookback = Lookback(folder, 3_600, 1_000_000)
    folder.rmdir()
    folder.touch()  # a file in place of the folder: writing fails, as on a full disk
    logged = Logged(Deaf(), lookback, Journal(tmp_path / "journal"))
    with pytest.raises(DependencyError):
        logged.process([chunk(0), chunk(1)])
    folder.unlink()
    folder.mkdir()
    found = logged.process([chunk(0), chunk(1)]) + logged.process([chunk(2)])
    kept = [lookback.get(u.address or "") for u in found if isinstance(u, Utterance)]
    assert [u.id for u in kept if u] == ["0", "1", "2"]


def test_utterances_without_a_mark_are_processed_again(recovery: Recovery, settings: Settings) -> None:
    addresses = [recovery.lookback.put(said(str(number), number)) for number in range(3)]
    recovery.finish([flag(address=addresses[1])], [object()])
    assert [utterance.id for utterance in again(settings).utterances()] == ["0", "2"]


@pytest.mark.parametrize(
    ("message", "outputs", "outcome"),
    [
        (flag(), [object()], Finish.JUDGED),
        (transcript(), [], Finish.JUDGED),
        (transcript(skipped=True), [], Finish.SKIPPED),
        (flag(), [Rejected(flag(), BadMessage("no"))], Finish.FAILED),
        (transcript(), [flag()], None),
    ],
)
def test_a_mark_records_the_outcome(
    recovery: Recovery, message: Flag | Transcript, outputs: list[object], outcome: Finish | None
) -> None:
    address = recovery.lookback.put(said("one"))
    of_it = [
        Rejected(flag(address=address), each.error) if isinstance(each, Rejected) else flag(address=address)
        if isinstance(each, Flag) else each
        for each in outputs
    ]  # fmt: skip
    recovery.finish([structs.replace(message, address=address)], of_it)
    ((_, utterance, mark),) = recovery.lookback.marked()
    assert utterance.id == "one"
    assert (mark.outcome if mark else None) == outcome


@pytest.mark.parametrize(("forced", "left"), [(False, [3, 4]), (True, [2, 3, 4])])
def test_audio_after_the_last_cut_is_processed_again(
    recovery: Recovery, settings: Settings, forced: bool, left: list[int]
) -> None:
    """After a forced cut, speech continues within the last half second of the cut utterance."""
    for number in range(1, 5):
        recovery.journal.add(chunk(number))
        recovery.journal.add(chunk(number, "other"))
    recovery.lookback.put(said("cut", 2.0, forced=forced))
    found = list(again(settings).chunks())
    assert [each.sequence for each in found if each.speaker == "s"] == left
    assert [each.sequence for each in found if each.speaker == "other"] == [1, 2, 3, 4]


def test_a_segment_of_a_version_without_marks_is_finished(recovery: Recovery, settings: Settings) -> None:
    recovery.lookback.put(said("old"))
    for file in recovery.lookback.folder.glob("*.marks"):
        file.unlink()
    assert list(again(settings).utterances()) == []


def test_a_finished_utterance_can_be_reopened(recovery: Recovery) -> None:
    address, other = (recovery.lookback.put(said(name)) for name in ("one", "two"))
    recovery.lookback.finish([address, other], Finish.FAILED)
    assert recovery.lookback.reopen(address)
    assert recovery.lookback.unfinished() == [address]
    assert not recovery.lookback.reopen("lookback/0000000000000-00000000/0")


class Once(Processor[AudioChunk, Sound]):
    """Like the listen stage, returns nothing for audio that it has processed before."""

    def __init__(self) -> None:
        self.left = [sound("s")]
        self.backlog: Backlog | None = None

    def process(self, batch: Sequence[AudioChunk]) -> list[Sound | Rejected]:
        found, self.left = self.left, []
        return [*found]

    def behind(self, backlog: Backlog) -> None:
        self.backlog = backlog


def test_a_sound_is_kept_until_its_flag_is_delivered(settings: Settings, recovery: Recovery) -> None:
    [kept] = recovery.logged_sounds(Once()).process([chunk(0)])
    assert isinstance(kept, Sound)
    [left] = again(settings).sounds()
    assert (left.id, left.data, left.address) == ("s", b"flac", kept.address)
    flagged = flag("s", address=kept.address, source="sound")
    recovery.finish([kept], [flagged])
    assert list(again(settings).sounds())
    recovery.finish([flagged], [])
    assert not list(again(settings).sounds())
    assert not list(again(settings).utterances())


def test_a_temporary_failure_of_the_look_back_loses_no_sound(tmp_path: Path) -> None:
    lookback = Lookback(tmp_path / "lookback", 3_600, 1_000_000)
    folder = lookback.sounds.folder
    folder.rmdir()
    folder.touch()
    inner = Once()
    logged = LoggedSounds(inner, lookback)
    logged.behind(NO_BACKLOG)
    with pytest.raises(DependencyError):
        logged.handle([chunk(0)])
    folder.unlink()
    folder.mkdir()
    [found] = logged.handle([chunk(0)])
    assert isinstance(found, Sound)
    assert lookback.sound(found.address or "")
    assert inner.backlog == NO_BACKLOG
