import subprocess
import sys

import numpy as np
import pytest

from pipeline.base.errors import WeightsMissing
from pipeline.speech.audio import vad
from pipeline.speech.audio.vad import WINDOW, Memory, Vad, shared
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
