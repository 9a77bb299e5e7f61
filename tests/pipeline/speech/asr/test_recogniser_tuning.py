"""The settings of this machine are measured on the speech that we ship."""

import pytest

from pipeline.settings import Asr
from pipeline.speech.asr import recogniser, recogniser_tuning


def test_the_shipped_speech_is_as_long_as_real_utterances() -> None:
    clips = recogniser_tuning.shipped()
    assert len(clips) == recogniser_tuning.CLIPS
    assert {round(len(clip) / 16_000, 1) for clip in clips} == set(recogniser_tuning.LENGTHS)


@pytest.mark.full
@pytest.mark.weights
def test_each_setting_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recogniser_tuning, "CLIPS", 2)
    monkeypatch.setattr(recogniser_tuning, "BATCHES", (2, 4))
    asr = Asr(model="tiny.en", download=False, device="cpu")
    found = list(recogniser_tuning.figures(asr))
    assert all(figure.speed > 0 for figure in found)
    assert {figure.changes["batch"] for figure in found} == {2, 4}


def test_a_gpu_is_measured_with_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recogniser, "find_device", lambda name: "cuda")
    monkeypatch.setattr(recogniser_tuning, "load_recogniser", lambda asr: None)
    monkeypatch.setattr(recogniser_tuning, "speed", lambda loaded, clips: 1.0)
    assert {figure.changes["workers"] for figure in recogniser_tuning.figures(Asr())} == {1}
