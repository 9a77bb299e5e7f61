import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.asr.recogniser import Samples
from pipeline.speech.asr.triage import loudest_stretch, triage
from tests.pipeline.speech.asr.parts import DATA, speech

SECOND = np.arange(SAMPLE_RATE) / SAMPLE_RATE


def sounds() -> dict[str, Samples]:
    hiss = np.random.default_rng(1).normal(0, 0.1, 3 * SAMPLE_RATE)
    return {
        "hiss": hiss.astype(np.float32),
        "hum": np.tile(0.3 * np.sin(2 * np.pi * 50 * SECOND), 3).astype(np.float32),
        "chord": np.sum([0.2 * np.sin(2 * np.pi * pitch * SECOND) for pitch in (262, 330, 392)], axis=0).astype(
            np.float32
        ),
        "knock": (np.exp(-40 * SECOND) * hiss[:SAMPLE_RATE] * 5).astype(np.float32),
    }


@pytest.mark.parametrize("name", sounds())
def test_sounds_without_a_voice_are_not_speech(name: str) -> None:
    assert triage(sounds()[name]).reason == "no_voice"


@pytest.mark.parametrize("name", [path.stem for path in DATA.glob("*.flac")])
def test_loud_and_quiet_speech_is_accepted(name: str) -> None:
    for volume in (1.0, 0.1):
        found = triage(volume * speech(name))
        assert found.reason is None
        assert found.voice > 0.8


def test_silence_is_found_without_the_detector() -> None:
    assert triage(np.zeros(SAMPLE_RATE, np.float32)).reason == "silence"


def test_one_certain_window_is_not_a_stretch() -> None:
    assert loudest_stretch([0, 0, 1, 0, 0, 0, 0, 0]) == pytest.approx(1 / 6)
    assert loudest_stretch([0.5]) == 0.5
    assert loudest_stretch([0] * 9 + [1] * 6) == pytest.approx(1)
