"""Landmarks come from any sound, do not depend on the pieces of the stream, and keep to their bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.fingerprints.landmarks import (
    BAND_REACH,
    HASHES,
    STORED_PAIRS,
    TIME_REACH,
    TIMES,
    LandmarkFinder,
    Landmarks,
    PeakPicker,
    Peaks,
    joined_landmarks,
)
from pipeline.sound.fingerprints.spectrum import BANDS, FLOOR, HOP, SILENCE, Levels, Spectrogram
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.fingerprints.music import tune
from tests.pipeline.speech.audio.sound import clip

SECOND = np.arange(SAMPLE_RATE) / SAMPLE_RATE


def found(*pieces: Samples) -> Landmarks:
    finder = LandmarkFinder(STORED_PAIRS)
    return joined_landmarks([*(finder.push(piece) for piece in pieces), finder.flush()])


def test_the_pieces_do_not_matter() -> None:
    whole, pieces = found(tune(1)), found(*np.array_split(tune(1), 333))
    assert whole.hashes.size > 200
    assert pieces.hashes.tolist() == whole.hashes.tolist()
    assert pieces.frames.tolist() == whole.frames.tolist()


def test_a_later_start_gives_the_same_landmarks_later() -> None:
    silence = np.zeros(100 * HOP, np.float32)
    whole, later = found(tune(1)), found(silence, tune(1))
    same = {*zip(whole.hashes, whole.frames + 100, strict=True)} & {*zip(later.hashes, later.frames, strict=True)}
    assert len(same) > 0.95 * whole.hashes.size


def test_each_peak_has_a_few_pairs() -> None:
    frames = found(tune(3)).frames
    assert (np.diff(frames) >= 0).all()
    assert np.bincount(frames).max() <= 12 * STORED_PAIRS  # twelve peaks fit into one frame


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(0, np.float32),
        np.zeros(5, np.float32),
        np.zeros(SAMPLE_RATE, np.float32),
        np.ones(SAMPLE_RATE, np.float32),
        np.tile([1, -1], SAMPLE_RATE).astype(np.float32),
        np.sin(2 * np.pi * 1_000 * SECOND).astype(np.float32),
    ],
    ids=["nothing", "tiny", "silence", "offset", "highest tone", "tone"],
)
def test_sounds_without_events_have_few_landmarks(sound: Samples) -> None:
    assert found(sound).hashes.size < 20


@given(st.binary(max_size=40_000), st.integers(1, 7))
def test_landmarks_of_any_sound_are_in_bounds(content: bytes, pieces: int) -> None:
    sound: Samples = (np.frombuffer(content[: len(content) // 2 * 2], "<i2") / 32_768).astype(np.float32)
    hashes, frames = found(*np.array_split(sound, pieces))
    assert hashes.size == frames.size
    assert ((hashes >= 0) & (hashes < HASHES)).all()
    assert ((frames >= 0) & (frames <= sound.size // HOP)).all()


def test_hashes_with_a_frame_less_or_more_stay_in_bounds_and_apart() -> None:
    hashes = found(clip("sense-and-sensibility")).hashes
    times = hashes % TIMES
    assert hashes.max() < HASHES
    assert times.min() >= 1
    assert times.max() <= TIMES - 2


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


def test_the_pieces_do_not_change_the_peaks() -> None:
    levels = Spectrogram().push(tune(2))
    whole, picker = picked(levels), PeakPicker()
    parts = [picker.push(each) for each in np.array_split(levels, 97)] + [picker.flush()]
    assert np.concatenate([each.frames for each in parts]).tolist() == whole.frames.tolist()
    assert np.concatenate([each.bands for each in parts]).tolist() == whole.bands.tolist()
    assert whole.frames.size > 50
