"""Peaks are where the sound is louder than around, and nowhere in silence or steady tones."""

import numpy as np
import pytest

from pipeline.sound.fingerprints.peaks import BAND_REACH, TIME_REACH, PeakPicker, Peaks
from pipeline.sound.fingerprints.spectrum import BANDS, FLOOR, SILENCE, Levels, Spectrogram
from tests.pipeline.sound.fingerprints.music import tune


def picked(levels: Levels) -> Peaks:
    picker = PeakPicker()
    parts = [picker.push(levels), picker.flush()]
    assert picker.done == len(levels)
    return Peaks(*(np.concatenate(both) for both in zip(*parts, strict=True)))


def quiet(frames: int = 40) -> Levels:
    return np.full((frames, BANDS), SILENCE, np.float32)


def test_the_loudest_of_its_neighbourhood_is_a_peak() -> None:
    levels = quiet()
    levels[5, 20], levels[5 + TIME_REACH, 20 + BAND_REACH] = -20, -30  # the second is in reach of the first
    levels[30, 20] = -40
    found = picked(levels)
    assert found.frames.tolist() == [5, 30]
    assert found.bands == pytest.approx([20, 20])


def test_a_peak_between_two_bands_has_a_fraction() -> None:
    levels = quiet()
    levels[9, 50:53] = -30, -20, -22
    assert 51 < picked(levels).bands[0] < 51.5


def test_peaks_at_both_ends_are_found() -> None:
    levels = quiet()
    levels[0, 20] = levels[-1, 20] = -20
    assert picked(levels).frames.tolist() == [0, len(levels) - 1]


def test_quiet_and_steady_sounds_have_no_peaks() -> None:
    levels = quiet()
    levels[:, 20], levels[9, 80] = -20, FLOOR - 1
    assert picked(levels).frames.tolist() == [0]  # where the tone begins


def test_the_pieces_do_not_matter() -> None:
    levels = Spectrogram().push(tune(2))
    whole, picker = picked(levels), PeakPicker()
    parts = [picker.push(each) for each in np.array_split(levels, 97)] + [picker.flush()]
    assert np.concatenate([each.frames for each in parts]).tolist() == whole.frames.tolist()
    assert np.concatenate([each.bands for each in parts]).tolist() == whole.bands.tolist()
    assert whole.frames.size > 50
