"""Conversions keep the speech, and change the voice."""

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.resample import Samples
from tests.pipeline.speech.audio.sound import clip
from training.sound.vocoder import spectra
from training.voices.converting import CONVERTERS, _pitch, converted, shifted

BLOCK = SAMPLE_RATE // 10


def speech() -> Samples:
    return clip("sense-and-sensibility")[: 5 * SAMPLE_RATE]


def course(sound: Samples) -> Samples:
    """The level of each tenth of a second."""
    blocks = sound[: sound.size // BLOCK * BLOCK].reshape(-1, BLOCK)
    levels: Samples = np.log(np.square(blocks).mean(axis=1) + 1e-6)
    return levels


@pytest.mark.parametrize("name", sorted(CONVERTERS))
def test_the_syllables_stay(name: str) -> None:
    for seed in range(3):
        made = CONVERTERS[name](np.random.default_rng(seed), speech())
        assert made.dtype == np.float32
        assert made.size == pytest.approx(speech().size, rel=0.05)
        wanted, found = course(speech()), course(made)
        size = min(wanted.size, found.size)
        assert np.corrcoef(wanted[:size], found[:size])[0, 1] > 0.6


def test_the_pitch_of_a_voice_is_found() -> None:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * 130 * number * time) / number for number in range(1, 20))
    pitch, voiced = _pitch(np.abs(spectra(np.asarray(buzz))))
    assert np.median(pitch) == pytest.approx(130, rel=0.03)
    assert np.median(voiced) == 1


def test_a_shift_changes_the_pitch() -> None:
    def median(sound: Samples) -> float:
        pitch, voiced = _pitch(np.abs(spectra(sound.astype(np.float64))))
        return float(np.median(pitch[voiced > 0.9]))

    ratios = [median(shifted(np.random.default_rng(seed), speech())) / median(speech()) for seed in range(4)]
    assert all(abs(np.log(ratio)) > np.log(1.08) for ratio in ratios), ratios


def test_the_same_seed_converts_alike() -> None:
    one, same = (converted(np.random.default_rng(3), speech()) for _ in range(2))
    assert np.array_equal(one, same)
