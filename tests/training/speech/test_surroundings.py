"""Rooms and noises have their effect, and a text is always in the same ones."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import ConfigError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.asr.recogniser import Samples
from training.speech.surroundings import SURROUNDINGS, Surroundings, among, furnish, noisy, reverberated, surroundings


def tone(seconds: float, hertz: float = 220.0) -> Samples:
    return (0.2 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(np.float32)


def power(samples: Samples) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64)))


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return furnish(tmp_path_factory.mktemp("around"))


def test_two_in_five_are_not_quiet_and_surroundings_are_stable(around: Path) -> None:
    texts = [f"sentence {number}" for number in range(1_000)]
    drawn = [surroundings(text, around) for text in texts]
    kinds = Counter(where.kind for where in drawn)
    assert set(kinds) == set(SURROUNDINGS)
    assert 0.35 < 1 - kinds["quiet"] / len(texts) < 0.45
    assert all(5 <= where.snr <= 20 for where in drawn)
    assert drawn[::-1] == [surroundings(text, around) for text in texts[::-1]]


@given(st.floats(5, 20), st.floats(0.01, 0.9))
def test_noise_has_the_given_signal_to_noise_ratio(snr: float, loudness: float) -> None:
    speech, noise = tone(1), np.random.default_rng(2).normal(0, loudness, 5_000).astype(np.float32)
    added = noisy(speech, noise, snr) - speech
    assert 10 * np.log10(power(speech) / power(added)) == pytest.approx(snr, abs=0.01)


def test_a_room_keeps_delay_length_and_loudness() -> None:
    speech = np.concatenate([np.zeros(500, np.float32), tone(0.5)])
    late = np.zeros(400, np.float32)
    late[160] = -0.3
    alone = reverberated(speech, late)
    assert np.allclose(np.abs(alone), np.abs(speech), atol=1e-4)
    late[300] = 0.2
    echoed = reverberated(speech, late)
    assert len(echoed) == len(speech)
    assert power(echoed) == pytest.approx(power(speech), rel=1e-3)
    assert np.abs(np.abs(echoed) - np.abs(speech)).max() > 0.01


def test_no_sample_exceeds_full_scale(around: Path) -> None:
    where = Surroundings("room and noise", around / "rirs_0.8.flac", around / "noise_hum.flac", 0.0, 0.5)
    loud = among(5 * tone(1), where)
    assert loud.dtype == np.float32
    assert np.abs(loud).max() <= 1


def test_a_folder_without_noises_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"no noise_\\* in {tmp_path}"):
        surroundings("hello", tmp_path)
