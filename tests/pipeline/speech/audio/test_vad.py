import subprocess
import sys

import numpy as np
import pytest

from pipeline.base.errors import WeightsMissing
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.asr.recogniser import Samples
from pipeline.speech.audio import vad
from pipeline.speech.audio.vad import WINDOW, Memory, Vad, loudest_stretch, shared, triage
from tests.pipeline.speech.asr.parts import DATA, speech
from tests.pipeline.speech.audio.sound import clip, silence


def whole_windows(name: str) -> np.ndarray:
    speech = clip(name)
    return speech[: speech.size // WINDOW * WINDOW]


def test_the_probability_is_high_in_speech_and_low_in_silence() -> None:
    speech = shared().probabilities(whole_windows("sense-and-sensibility"), Memory())
    quiet = shared().probabilities(silence(WINDOW * 100 / 16_000), Memory())
    assert speech.shape == (whole_windows("sense-and-sensibility").size // WINDOW,)
    assert np.mean(speech > 0.5) > 0.8
    assert quiet.max() < 0.2


@pytest.mark.parametrize("windows", [1, 3, 31])
def test_the_block_size_does_not_change_the_probabilities(windows: int) -> None:
    speech = whole_windows("auth-incorrect")
    memory = Memory()
    blocks = np.split(speech, range(windows * WINDOW, speech.size, windows * WINDOW))
    blockwise = np.concatenate([shared().probabilities(block, memory) for block in blocks])
    assert np.array_equal(blockwise, shared().probabilities(speech, Memory()))


def test_speakers_have_independent_memories() -> None:
    one, other = whole_windows("auth-incorrect"), whole_windows("vm-newuser")
    mine, theirs = Memory(), Memory()
    heard = []
    for start in range(0, one.size, 10 * WINDOW):
        heard.append(shared().probabilities(one[start : start + 10 * WINDOW], mine))
        shared().probabilities(other[start : start + 10 * WINDOW], theirs)
    assert np.array_equal(np.concatenate(heard), shared().probabilities(one, Memory()))


def test_no_samples_give_no_probabilities() -> None:
    memory = Memory()
    assert shared().probabilities(silence(0), memory).shape == (0,)


def test_the_model_is_found_without_importing_pytorch() -> None:
    script = "import sys; from pipeline.speech.audio.vad import shared; shared(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_error_for_a_missing_model_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vad, "MODEL", "no-such-model.onnx")
    with pytest.raises(WeightsMissing, match=r"pip install --no-deps 'silero-vad>=6\.2\.3'"):
        Vad()


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
