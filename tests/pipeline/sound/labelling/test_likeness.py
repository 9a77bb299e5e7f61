"""Whether four pulses are one sound."""

import numpy as np
import pytest

from pipeline.sound.labelling.bands import BANDS, Levels
from pipeline.sound.labelling.likeness import Loudness
from pipeline.sound.labelling.pulses import Pulses

PULSES = Pulses(np.array([3]), np.array([5]), np.array([[10, 30, 90, 110]]), np.array([[20, 60, 100, 120]]))


def scene(bands: list[int], background: float = -80) -> Levels:
    """Pulses of -20 dB, each in its own band."""
    levels = np.full((150, BANDS), background, np.float32)
    for start, end, band in zip(PULSES.start[0], PULSES.end[0], bands, strict=True):
        levels[start:end, band] = -20
    return levels


def test_the_same_band_is_alike_and_another_one_is_not() -> None:
    assert Loudness(scene([3, 3, 3, 3])).likeness(PULSES) == pytest.approx([1.0])
    assert Loudness(scene([3, 4, 3, 3])).likeness(PULSES)[0] < 0.1


def test_what_sounds_in_the_gaps_does_not_count() -> None:
    levels = scene([3, 3, 3, 3])
    levels[:, 7] = -15
    assert Loudness(levels).likeness(PULSES) == pytest.approx([1.0])


def test_silence_is_alike_in_nothing() -> None:
    assert Loudness(np.full((150, BANDS), -80, np.float32)).likeness(PULSES) == pytest.approx([0.0])


def test_contrast_is_that_of_the_quietest_pulse_and_the_loudest_gap() -> None:
    levels = scene([3, 3, 3, 3])
    levels[90:100, 3] = -30
    levels[60:90, 3] = -50
    assert Loudness(levels).contrast(PULSES) == pytest.approx([20.0])


def test_no_pulses_give_no_numbers() -> None:
    none = PULSES.only(np.array([False]))
    loudness = Loudness(scene([3, 3, 3, 3]))
    assert loudness.contrast(none).size == loudness.likeness(none).size == 0
