"""Spectra become sound again, and a pitch has its overtones."""

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from tests.pipeline.sound.fingerprints.music import talk
from training.sound.vocoder import harmonics, joined, spectra


def test_the_sound_of_the_spectra_of_a_sound_is_this_sound_at_a_fixed_level() -> None:
    sound = talk(3 * SAMPLE_RATE)
    made = joined(spectra(sound.astype(np.float64)))
    assert float(np.sqrt(np.square(made).mean())) == pytest.approx(0.1, rel=0.01)
    inner = slice(SAMPLE_RATE, 2 * SAMPLE_RATE)
    assert np.corrcoef(made[inner], sound[inner])[0, 1] > 0.999


def test_the_harmonics_are_those_of_the_pitch() -> None:
    spectrum = np.abs(np.fft.rfft(harmonics(np.full(SAMPLE_RATE, 200.0))))
    assert {*np.flatnonzero(spectrum > 0.5 * spectrum.max()).tolist()} == {*range(200, 7_001, 200)}
