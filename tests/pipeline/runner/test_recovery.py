"""After a runner is killed, the next runner finishes its work."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pipeline.base.errors import BadMessage, DependencyError
from pipeline.contract.messages import AudioChunk, Flag, Transcript, Utterance
from pipeline.contract.stage import HoldingProcessor, Processor, Rejected
from pipeline.contract.topology import DELIVER, JUDGE, LISTEN, READ, SEGMENT
from pipeline.review.evidence.lookback import open_lookback
from pipeline.review.evidence.segments import Finish
from pipeline.runner.recovery import Recovery
from pipeline.settings import Settings
from tests.builders import flag, sound, transcript, utterance


class Idle(Processor[Any, Any]):
    """A stage that does nothing."""

    def process(self, batch: Sequence[Any]) -> list[Any]:
        return []


class Holding(Idle, HoldingProcessor[Any, Any]):
    """Like the segment stage, still needs the audio from `since` on."""

    since: float | None = 0.0

    def held_since(self, room: str, speaker: str) -> float | None:
        return self.since

    def needed(self, room: str, speaker: str) -> int:
        return 1

    def lead_in(self, earlier: Iterable[Any], sent: Iterable[Any] = ()) -> None:
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


def test_a_temporary_failure_of_the_look_back_loses_and_repeats_nothing(
    recovery: Recovery, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner repeats the call with the same outputs."""
    outputs: list[Any] = [said("0"), sound("s"), said("1"), said("2")]
    put = recovery.lookback.put
    full = iter((False, True))

    def put_until_full(utterance: Utterance) -> str:
        if next(full, False):
            raise DependencyError("The disk is full")
        return put(utterance)

    monkeypatch.setattr(recovery.lookback, "put", put_until_full)
    with pytest.raises(DependencyError):
        recovery.store(outputs)
    recovery.store(outputs)
    cut = [each for each in outputs if isinstance(each, Utterance)]
    assert [recovery.lookback.get(each.address or "") for each in cut] == cut
    assert [each.id for each in again(settings).utterances()] == ["0", "1", "2"]
    assert [each.id for each in again(settings).sounds()] == ["s"]


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


def test_a_sound_is_kept_until_its_flag_is_delivered(settings: Settings, recovery: Recovery) -> None:
    outputs: list[Any] = [sound("s")]
    recovery.note(LISTEN, Idle(), [chunk(0)], outputs)
    [kept] = outputs
    [left] = again(settings).sounds()
    assert (left.id, left.data, left.address) == ("s", b"flac", kept.address)
    flagged = flag("s", address=kept.address, source="sound")
    recovery.note(JUDGE, Idle(), [kept], [flagged])
    assert list(again(settings).sounds())
    recovery.note(DELIVER, Idle(), [flagged], [])
    assert not list(again(settings).sounds())
    assert not list(again(settings).utterances())


def test_the_second_reader_finishes_nothing(settings: Settings, recovery: Recovery) -> None:
    """The deliver stage takes the same flags."""
    address = recovery.lookback.put(said("one"))
    recovery.note(READ, Idle(), [flag(address=address)], [])
    assert recovery.lookback.unfinished() == [address]


def test_the_journal_keeps_audio_until_it_is_cut_and_stored(settings: Settings, recovery: Recovery) -> None:
    holding = Holding()
    recovery.journal.add(chunk(0))
    recovery.note(SEGMENT, holding, [chunk(0)], [])
    assert list(again(settings).chunks()) == [chunk(0)]
    holding.since = None
    recovery.note(SEGMENT, holding, [], [said("one", 0.0)])
    recovery.drained(LISTEN)
    assert list(recovery.journal.folder.iterdir())
    recovery.drained(SEGMENT)
    assert not list(recovery.journal.folder.iterdir())
