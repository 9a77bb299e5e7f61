"""Levels in mel bands."""

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.events.music_mel import BANDS, FLOOR, FRAME, STEP, TOGETHER, levels
from pipeline.speech.audio.resample import Samples

TIME = np.arange(SAMPLE_RATE) / SAMPLE_RATE
MEL = 1_127 * np.log(1 + 20 / 700), 1_127 * np.log(1 + 8_000 / 700)


def tone(hertz: float) -> Samples:
    return (0.1 * np.sin(2 * np.pi * hertz * TIME)).astype(np.float32)


def test_there_is_a_row_for_each_whole_frame() -> None:
    size = FRAME + (2 * TOGETHER + 6) * STEP
    assert levels(np.zeros(size, np.float32)).shape == (2 * TOGETHER + 7, BANDS)
    assert levels(np.zeros(size - 1, np.float32)).shape == (2 * TOGETHER + 6, BANDS)


def test_a_frame_has_the_same_levels_wherever_it_begins() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 3 * SAMPLE_RATE).astype(np.float32)
    assert np.array_equal(levels(noise)[130:], levels(noise[130 * STEP :]))


def test_silence_is_the_floor_and_a_constant_is_silence() -> None:
    assert np.allclose(levels(np.zeros(SAMPLE_RATE, np.float32)), np.log(FLOOR))
    assert np.allclose(levels(np.full(SAMPLE_RATE, 0.25, np.float32)), np.log(FLOOR))


@pytest.mark.parametrize("hertz", [100, 400, 1_000, 3_000, 7_000])
def test_a_tone_lies_in_the_band_of_its_frequency(hertz: float) -> None:
    band = (1_127 * np.log(1 + hertz / 700) - MEL[0]) / (MEL[1] - MEL[0]) * (BANDS + 1) - 1
    assert levels(tone(hertz)).mean(axis=0).argmax() == pytest.approx(band, abs=0.8)


def test_twice_the_amplitude_is_four_times_the_power() -> None:
    found = levels(tone(1_000))
    band = found.mean(axis=0).argmax()
    assert (levels(2 * tone(1_000)) - found)[:, band] == pytest.approx(np.log(4), abs=0.01)
