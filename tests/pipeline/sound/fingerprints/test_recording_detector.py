"""A bank in a live process: its changes are followed, and an outage does not stop the listener."""

from collections.abc import Collection, Iterator
from typing import NoReturn

import pytest

from pipeline.base.errors import DependencyError
from pipeline.review.recording_bank import Bank
from pipeline.sound.fingerprints import recording_detector
from pipeline.sound.fingerprints.fingerprint import Fingerprint
from pipeline.sound.fingerprints.matching import LEAST
from pipeline.sound.fingerprints.recording_detector import RecordingDetectors, score_of
from tests.pipeline.review.banning import ban, unban
from tests.pipeline.sound.fingerprints.music import banned, tune


class Timer:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def look(made: RecordingDetectors, timer: Timer, at: float) -> None:
    """Let it look at a time, in seconds, and wait until the look has ended."""
    timer.now = at
    made.look()
    made.wait()


def test_an_ear_follows_its_bank(sqlite_url: str) -> None:
    timer = Timer()
    made = RecordingDetectors(Bank(sqlite_url), timer)
    assert not made.awake
    ban(sqlite_url, banned(1))
    for seconds, awake, edition in ((1.0, False, 0), (6.0, True, 1), (12.0, True, 1)):
        look(made, timer, seconds)
        assert (made.awake, made.edition) == (awake, edition)
    unban(sqlite_url, banned(1).id)
    look(made, timer, 20.0)
    assert not made.awake


def test_a_bank_that_cannot_be_read_leaves_the_one_from_before(
    sqlite_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost() -> NoReturn:
        raise DependencyError("The store does not answer", "Check the database.")

    bank, timer = ban(sqlite_url, banned(1)), Timer()
    made = RecordingDetectors(bank, timer)
    ban(sqlite_url, banned(2))
    with monkeypatch.context() as outage:
        outage.setattr(bank, "state", lost)
        look(made, timer, 6.0)
        look(made, timer, 12.0)
    assert (made.awake, made.edition) == (True, 0)
    assert caplog.text.count("The bank from before is used") == 1
    look(made, timer, 18.0)
    assert made.edition == 1


def test_all_stages_of_a_process_share_the_bank(sqlite_url: str) -> None:
    bank = Bank(sqlite_url)
    assert recording_detector.shared_recording_detectors(
        sqlite_url, bank
    ) is not recording_detector.shared_recording_detectors(f"{sqlite_url}.other", bank)
    one = recording_detector.shared_recording_detectors(sqlite_url, bank)
    assert recording_detector.shared_recording_detectors(sqlite_url, Bank(sqlite_url)) is one


def test_the_score_grows_from_one_half() -> None:
    scores = [score_of(landmarks) for landmarks in (LEAST, 2 * LEAST, 100 * LEAST)]
    assert scores == [0.5, 0.75, 0.995]


def names(made: RecordingDetectors, song: int) -> set[str]:
    """The titles that are heard while a song plays."""
    detector = made.detector(0, ("room", "ann"))
    spans = [*detector.push(tune(song, 20.0)), *detector.flush()]
    return {span.heard.reference for span in spans}


def test_a_change_reads_only_the_new_recordings(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bank, timer = ban(sqlite_url, *(banned(number) for number in range(1, 13))), Timer()
    made = RecordingDetectors(bank, timer)
    read: list[str] = []
    real = bank.fingerprints

    def fingerprints(chosen: Collection[str] | None = None) -> Iterator[Fingerprint]:
        found = [*real(chosen)]
        read.extend(each.id for each in found)
        return iter(found)

    monkeypatch.setattr(bank, "fingerprints", fingerprints)
    ban(sqlite_url, banned(13))
    look(made, timer, 6.0)
    assert read == [banned(13).id]
    assert (made.size, names(made, 13), names(made, 1)) == (13, {banned(13).id}, {banned(1).id})

    unban(sqlite_url, banned(1).id)
    look(made, timer, 12.0)
    assert read == [banned(13).id]
    assert (made.size, names(made, 1), names(made, 2)) == (12, set(), {banned(2).id})

    ban(sqlite_url, banned(1))
    look(made, timer, 18.0)
    assert read == [banned(13).id, banned(1).id]
    assert (made.size, names(made, 1)) == (13, {banned(1).id})


def test_after_many_changes_the_bank_is_loaded_again(sqlite_url: str) -> None:
    bank, timer = ban(sqlite_url, *(banned(number) for number in range(1, 13))), Timer()
    made = RecordingDetectors(bank, timer)
    for count in (1, 2):
        unban(sqlite_url, banned(count).id)
        look(made, timer, 6.0 * count)
        assert made.size == 12 - count
        assert len(made._loaded.landmarks.ids) == {1: 12, 2: 10}[count]
