"""The shipped voice model."""

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.voice_embedding import BANDS, FRAME, LEVEL, PART, SIZE, STEP, embed, voice_powers
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.two_speakers import allison, reader


def test_two_parts_of_a_voice_are_closer_than_two_voices() -> None:
    one, other = allison(), reader()
    found = embed([one[16_000:][:PART], one[160_000:][:PART], other[:PART], other[40_000:][:PART]])
    near = found @ found.T
    assert min(near[0, 1], near[2, 3]) > max(near[0, 2], near[0, 3], near[1, 2], near[1, 3]) + 0.1


def test_embeddings_have_the_length_1() -> None:
    found = embed([allison()[:PART], np.zeros(PART, np.float32)])
    assert found.shape == (2, SIZE)
    assert np.square(found[0]).sum() == pytest.approx(1, abs=1e-5)
    assert found.min() >= 0
    assert np.isfinite(found).all()
    assert embed([]).shape == (0, SIZE)


def test_the_number_of_parts_in_a_call_does_not_matter() -> None:
    parts = [allison()[begin : begin + PART] for begin in range(0, 5 * PART, PART)]
    apart = np.concatenate([embed([part]) for part in parts])
    assert np.allclose(embed(parts), apart, atol=1e-4)


MELS = 15 + np.log(8) * 27 / np.log(6.4)
"""The scale at 8 kHz: 1 kHz is 15 mel, and the logarithmic part begins there."""


def tone(hertz: float, size: int = SAMPLE_RATE) -> Samples:
    return np.sin(2 * np.pi * hertz * np.arange(size) / SAMPLE_RATE).astype(np.float32)


@pytest.mark.parametrize(("hertz", "mel"), [(400, 6), (1_000, 15), (6_400, 42)])
def test_a_tone_lies_in_the_band_of_its_frequency(hertz: float, mel: float) -> None:
    band = int(voice_powers(tone(hertz)).mean(axis=0).argmax())
    assert band == pytest.approx(mel * (BANDS + 1) / MELS - 1, abs=0.6)


def test_there_is_a_row_for_each_frame() -> None:
    assert voice_powers(tone(500, FRAME + 9 * STEP)).shape == (10, BANDS)


def test_the_volume_does_not_matter() -> None:
    loud = voice_powers(tone(700))
    assert np.allclose(voice_powers(tone(700) * 0.01), loud, rtol=1e-3)
    assert voice_powers(np.zeros(SAMPLE_RATE, np.float32)).max() == 0


def test_all_bands_have_the_same_area() -> None:
    """White noise has a power in each band that depends on the width of no band."""
    noise = np.random.default_rng(1).normal(size=60 * SAMPLE_RATE).astype(np.float32)
    density = LEVEL**2 * np.square(np.hanning(FRAME)).sum() / (SAMPLE_RATE / FRAME)  # of a bin, and an area is 1 Hz
    assert voice_powers(noise).mean(axis=0)[5:] == pytest.approx(density, rel=0.2)
