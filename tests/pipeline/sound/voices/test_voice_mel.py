"""The power in the bands of the voice model."""

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.voices.voice_mel import BANDS, FRAME, LEVEL, STEP, powers
from pipeline.speech.audio.resample import Samples

MELS = 15 + np.log(8) * 27 / np.log(6.4)
"""The scale at 8 kHz: 1 kHz is 15 mel, and the logarithmic part begins there."""


def tone(hertz: float, size: int = SAMPLE_RATE) -> Samples:
    return np.sin(2 * np.pi * hertz * np.arange(size) / SAMPLE_RATE).astype(np.float32)


@pytest.mark.parametrize(("hertz", "mel"), [(400, 6), (1_000, 15), (6_400, 42)])
def test_a_tone_lies_in_the_band_of_its_frequency(hertz: float, mel: float) -> None:
    band = int(powers(tone(hertz)).mean(axis=0).argmax())
    assert band == pytest.approx(mel * (BANDS + 1) / MELS - 1, abs=0.6)


def test_there_is_a_row_for_each_frame() -> None:
    assert powers(tone(500, FRAME + 9 * STEP)).shape == (10, BANDS)


def test_the_volume_does_not_matter() -> None:
    loud = powers(tone(700))
    assert np.allclose(powers(tone(700) * 0.01), loud, rtol=1e-3)
    assert powers(np.zeros(SAMPLE_RATE, np.float32)).max() == 0


def test_all_bands_have_the_same_area() -> None:
    """White noise has a power in each band that depends on the width of no band."""
    noise = np.random.default_rng(1).normal(size=60 * SAMPLE_RATE).astype(np.float32)
    density = LEVEL**2 * np.square(np.hanning(FRAME)).sum() / (SAMPLE_RATE / FRAME)  # of a bin, and an area is 1 Hz
    assert powers(noise).mean(axis=0)[5:] == pytest.approx(density, rel=0.2)
