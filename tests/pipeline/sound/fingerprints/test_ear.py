"""A bank in a live process: changes are followed, damaged files are named."""

import logging
from pathlib import Path
from typing import NoReturn

import pytest

from pipeline.errors import DependencyError
from pipeline.settings import Settings
from pipeline.sound.fingerprints import ear
from pipeline.sound.fingerprints.bank import SUFFIX, Bank
from pipeline.sound.fingerprints.ear import RecordingEar, score_of
from pipeline.sound.fingerprints.matching import LEAST
from tests.pipeline.sound.fingerprints.music import banned


class Timer:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path / "fingerprints")


def test_an_ear_follows_its_bank(bank: Bank) -> None:
    timer = Timer()
    made = RecordingEar(bank, timer)
    assert not made.awake
    bank.add(banned(1))
    for seconds, awake, edition in ((1.0, False, 0), (6.0, True, 1), (12.0, True, 1)):
        timer.now = seconds
        made.look()
        made.wait()
        assert (made.awake, made.edition) == (awake, edition)
    bank.remove(banned(1).id)
    timer.now = 20.0
    made.look()
    made.wait()
    assert not made.awake


def test_a_damaged_file_is_named_and_the_others_are_used(bank: Bank, caplog: pytest.LogCaptureFixture) -> None:
    bank.add(banned(1))
    (bank.folder / f"{'0' * 16}{SUFFIX}").write_bytes(b"damaged")
    with caplog.at_level(logging.ERROR):
        assert RecordingEar(bank).awake
    assert "0000000000000000 is damaged" in caplog.text


def test_a_bank_that_cannot_be_read_leaves_the_one_from_before(
    bank: Bank, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost() -> NoReturn:
        raise DependencyError("The bank cannot be used", "Check its disk.")

    bank.add(banned(1))
    timer = Timer()
    made = RecordingEar(bank, timer)
    monkeypatch.setattr(bank, "ids", lost)
    timer.now = 6.0
    made.look()
    made.wait()
    assert made.awake
    assert "The bank from before is used" in caplog.text


def test_all_stages_of_a_process_share_the_bank(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert ear.shared(settings) is not ear.shared(settings.model_copy(update={"data_dir": tmp_path / "other"}))
    one = ear.shared(settings)
    assert ear.shared(settings) is one


def test_the_score_grows_from_one_half() -> None:
    scores = [score_of(landmarks) for landmarks in (LEAST, 2 * LEAST, 100 * LEAST)]
    assert scores == [0.5, 0.75, 0.995]
