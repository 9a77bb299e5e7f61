"""The measure of synthetic voices follows a stream."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.events.windows import HOP
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.fingerprints.music import talk
from training.voices.measure import VoiceMeasure, VoiceModel
from training.voices.network import VoiceNetwork, export
from training.voices.spectrogram import SIZE


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> VoiceModel:
    torch.manual_seed(1)
    path: Path = tmp_path_factory.mktemp("model") / "voices.onnx"
    export(VoiceNetwork().eval(), path)
    return VoiceModel(path)


def listened(model: VoiceModel, sound: Samples) -> list[float | None]:
    measure = VoiceMeasure(model)
    return [measure.push(hop) for hop in sound.reshape(-1, HOP)]


def test_the_windows_follow_each_other_without_a_seam(model: VoiceModel) -> None:
    spoken = talk(8 * SAMPLE_RATE)
    found = listened(model, spoken)
    for number, logit in enumerate(found[4:], start=5):
        end = number * HOP
        assert logit is None or logit == pytest.approx(model.logit(spoken[end - SIZE : end]), abs=1e-4)
    assert sum(logit is not None for logit in found) > 12


def test_silence_and_pauses_are_not_speech(model: VoiceModel) -> None:
    spoken = talk(4 * SAMPLE_RATE)
    found = listened(model, np.concatenate([spoken, 1e-3 * spoken, np.zeros(2 * SAMPLE_RATE, np.float32)]))
    assert found[8:11] == [None] * 3
    assert found[16:] == [None] * 4


def test_the_volume_does_not_matter(model: VoiceModel) -> None:
    loud, quiet = listened(model, talk(6 * SAMPLE_RATE)), listened(model, 0.05 * talk(6 * SAMPLE_RATE))
    pairs = [(one, other) for one, other in zip(loud, quiet, strict=True) if one is not None and other is not None]
    assert len(pairs) > 8
    assert all(one == pytest.approx(other, abs=0.05) for one, other in pairs)
