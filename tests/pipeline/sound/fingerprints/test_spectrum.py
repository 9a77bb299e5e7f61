"""The spectrogram has a tone in its band, and does not depend on the pieces of the stream."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.fingerprints.spectrum import BANDS, FLOOR, HOP, LOWEST, PER_OCTAVE, SILENCE, WINDOW, Spectrogram
from tests.pipeline.sound.fingerprints.music import tune


@pytest.mark.parametrize("octave", [0.5, 1, 2.25, 3.5])
def test_a_tone_is_loudest_in_its_band(octave: float) -> None:
    pitch = LOWEST * 2**octave
    sound = np.sin(2 * np.pi * pitch * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    levels = Spectrogram().push(sound)
    assert levels.shape == ((SAMPLE_RATE - WINDOW) // HOP + 1, BANDS)
    assert set(levels.argmax(axis=1)) == {round(octave * PER_OCTAVE)}


def test_silence_has_the_lowest_level() -> None:
    assert Spectrogram().push(np.zeros(SAMPLE_RATE, np.float32)) == pytest.approx(SILENCE)


def test_sound_without_a_sample_above_the_floor_has_no_level_above_it() -> None:
    """So it needs no Fourier transform."""
    largest = np.float32(10 ** (FLOOR / 20))
    tone = largest * np.sin(2 * np.pi * 1_000 * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    for sound in (tone, largest * np.sign(tone), 0.99 * tone):
        assert Spectrogram().push(sound.astype(np.float32)).max() <= FLOOR


@given(st.lists(st.integers(0, 5_000), max_size=8))
def test_the_pieces_do_not_matter(cuts: list[int]) -> None:
    sound = tune(1)[: 10 * HOP + WINDOW]
    spectrogram = Spectrogram()
    pieces = [spectrogram.push(piece) for piece in np.split(sound, sorted(cuts))]
    assert np.concatenate(pieces) == pytest.approx(Spectrogram().push(sound), abs=1e-3)
