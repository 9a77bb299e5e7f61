"""The spectrum of a voice, frame by frame."""

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from tests.pipeline.sound.fingerprints.music import talk
from training.voices.spectrogram import BINS, FRAME, STEP, powers, shape


def test_there_is_a_frame_for_each_step() -> None:
    assert powers(np.zeros(FRAME + 9 * STEP, np.float32)).shape == (10, BINS)


@pytest.mark.parametrize("frequency", [250.0, 1_000.0, 7_500.0])
def test_a_tone_is_in_its_bin(frequency: float) -> None:
    tone = np.sin(2 * np.pi * frequency * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    bins = powers(tone).argmax(axis=1)
    assert {*bins.tolist()} == {round(frequency * FRAME / SAMPLE_RATE) - 1}


def test_neither_volume_nor_the_sound_of_a_line_counts() -> None:
    spoken = talk(2 * SAMPLE_RATE)
    power = powers(spoken)
    line = np.linspace(0.5, 2, BINS, dtype=np.float32)
    assert np.allclose(shape(powers(0.01 * spoken)), shape(power), atol=0.02)
    loud = power > 1e-3 * power.sum(axis=1).mean()
    assert np.abs(shape(power * line) - shape(power))[loud].mean() < 0.1


def test_silence_has_no_shape() -> None:
    assert np.abs(shape(powers(np.zeros(SAMPLE_RATE, np.float32)))).max() < 1e-4
