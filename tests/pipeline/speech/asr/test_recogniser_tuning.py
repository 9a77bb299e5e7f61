"""The settings of this machine are chosen from measured ones, on the speech that we ship."""

import pytest

from pipeline.settings import Asr
from pipeline.speech.asr import recogniser_tuning
from pipeline.speech.asr.recogniser_tuning import TuningFigure


def test_the_shipped_speech_is_as_long_as_real_utterances() -> None:
    clips = recogniser_tuning.shipped()
    assert len(clips) == recogniser_tuning.CLIPS
    assert {round(len(clip) / 16_000, 1) for clip in clips} == set(recogniser_tuning.LENGTHS)


@pytest.mark.weights
def test_the_fastest_setting_is_measured_and_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs on real weights with few clips.

    The machine decides which setting wins, but it must be one of the measured ones.
    """
    monkeypatch.setattr(recogniser_tuning, "CLIPS", 2)
    monkeypatch.setattr(recogniser_tuning, "BATCHES", (2, 4))
    asr = Asr(model="tiny.en", download=False, device="cpu")
    found = list(recogniser_tuning.figures(asr))
    assert all(figure.speed > 0 for figure in found)
    assert {figure.changes["batch"] for figure in found} == {2, 4}
    chosen = recogniser_tuning.best(asr, found)
    fastest = max(found, key=lambda figure: figure.speed)
    assert {name: chosen.changes[name] for name in ("workers", "batch")} == fastest.changes


def test_an_engine_without_beams_for_each_language_gets_the_fastest_setting() -> None:
    found = [TuningFigure({"batch": 4}, 10.0), TuningFigure({"batch": 8}, 30.0), TuningFigure({"batch": 16}, 20.0)]
    assert recogniser_tuning.best(Asr(engine="openai-whisper"), found) == found[1]
