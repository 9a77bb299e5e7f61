"""Levels of bands."""

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.labelling.bands import BANDS, EDGES, FLOOR, HOP, WINDOW, BandMeter


def sine(frequency: float, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE).astype(np.float32)


@pytest.mark.parametrize("frequency", [1_000, 3_000, 6_000])
def test_a_sine_of_full_scale_has_0_db_in_its_band_and_in_the_whole(frequency: float) -> None:
    levels = BandMeter().push(sine(frequency))
    band = np.searchsorted(EDGES * SAMPLE_RATE / WINDOW, frequency, side="right") - 1
    assert levels[:, :-1].argmax(axis=1).tolist() == [band] * len(levels)
    assert levels[:, -1].mean() == pytest.approx(0, abs=0.5)
    assert levels[:, band].mean() == pytest.approx(0, abs=2)


def test_silence_has_the_lowest_level() -> None:
    assert (BandMeter().push(np.zeros(SAMPLE_RATE, np.float32)) == FLOOR).all()


def test_frames_follow_each_other_without_a_gap() -> None:
    samples = sine(700)
    whole = BandMeter().push(samples)
    assert whole.shape == ((samples.size - WINDOW) // HOP + 1, BANDS)
    meter = BandMeter()
    parts = [meter.push(part) for part in np.split(samples, [1, 100, 419, 420, 9_000])]
    assert np.allclose(np.concatenate(parts), whole, atol=1e-3)
