"""Singing that is made of speech has notes."""

import numpy as np
import pytest

from pipeline.messages import SAMPLE_RATE
from tests.pipeline.sound.fingerprints.music import talk
from training.sound.singing import _melody, harmonics, sung

SIZE = 3 * SAMPLE_RATE


@pytest.mark.parametrize("seed", range(5))
def test_it_has_the_size_and_a_fixed_level(seed: int) -> None:
    made = sung(np.random.default_rng(seed), talk(SIZE), SIZE)
    assert made.shape == (SIZE,)
    assert np.isfinite(made).all()
    assert float(np.sqrt(np.square(made).mean())) == pytest.approx(0.1, abs=0.03)


def test_a_melody_stays_on_its_notes_most_of_the_time() -> None:
    melody = _melody(np.random.default_rng(3), SIZE)
    assert melody.shape == (SIZE,)
    assert 60 < melody.min() <= melody.max() < 1_200


def test_theharmonics_are_those_of_the_pitch() -> None:
    spectrum = np.abs(np.fft.rfft(harmonics(np.full(SAMPLE_RATE, 200.0))))
    assert {*np.flatnonzero(spectrum > 0.5 * spectrum.max()).tolist()} == {*range(200, 7_001, 200)}
