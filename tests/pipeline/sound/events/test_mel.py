"""Levels in mel bands."""

import numpy as np
import pytest

from pipeline.messages import SAMPLE_RATE
from pipeline.sound.events.mel import BANDS, FLOOR, FRAME, STEP, levels

TIME = np.arange(SAMPLE_RATE) / SAMPLE_RATE


def test_a_block_of_half_a_second_with_its_lead_has_32_frames() -> None:
    assert levels(np.zeros(SAMPLE_RATE // 2 + FRAME - STEP, np.float32)).shape == (32, BANDS)


def test_silence_is_the_floor() -> None:
    assert np.allclose(levels(np.zeros(SAMPLE_RATE, np.float32)), np.log(FLOOR))


@pytest.mark.parametrize(("low", "high"), [(200, 400), (400, 800), (1_000, 2_000), (3_000, 6_000)])
def test_a_higher_tone_is_in_a_higher_band(low: float, high: float) -> None:
    one, other = (levels(np.sin(2 * np.pi * hertz * TIME).astype(np.float32)).mean(axis=0) for hertz in (low, high))
    assert one.argmax() < other.argmax()


def test_twice_the_amplitude_is_four_times_the_power() -> None:
    tone = (0.1 * np.sin(2 * np.pi * 1_000 * TIME)).astype(np.float32)
    band = levels(tone).mean(axis=0).argmax()
    assert (levels(2 * tone) - levels(tone))[:, band] == pytest.approx(np.log(4), abs=0.01)
