"""A bank in a live process: its changes are followed, and an outage does not stop the listener."""

from pathlib import Path
from typing import NoReturn

import pytest

from pipeline.errors import DependencyError
from pipeline.review.bank import Bank
from pipeline.settings import Settings
from pipeline.sound.fingerprints import ear
from pipeline.sound.fingerprints.ear import RecordingEar, score_of
from pipeline.sound.fingerprints.matching import LEAST
from tests.pipeline.review.banning import ban, unban
from tests.pipeline.sound.fingerprints.music import banned


class Timer:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def look(made: RecordingEar, timer: Timer, at: float) -> None:
    """Let it look at a time, in seconds, and wait until the look has ended."""
    timer.now = at
    made.look()
    made.wait()


def test_an_ear_follows_its_bank(sqlite_url: str) -> None:
    timer = Timer()
    made = RecordingEar(Bank(sqlite_url), timer)
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
    made = RecordingEar(bank, timer)
    ban(sqlite_url, banned(2))
    with monkeypatch.context() as outage:
        outage.setattr(bank, "state", lost)
        look(made, timer, 6.0)
        look(made, timer, 12.0)
    assert (made.awake, made.edition) == (True, 0)
    assert caplog.text.count("The bank from before is used") == 1
    look(made, timer, 18.0)
    assert made.edition == 1


def test_all_stages_of_a_process_share_the_bank(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert ear.shared(settings) is not ear.shared(settings.model_copy(update={"data_dir": tmp_path / "other"}))
    one = ear.shared(settings)
    assert ear.shared(settings) is one


def test_the_score_grows_from_one_half() -> None:
    scores = [score_of(landmarks) for landmarks in (LEAST, 2 * LEAST, 100 * LEAST)]
    assert scores == [0.5, 0.75, 0.995]
