"""Runs of frames above a level, and their rhythm."""

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.labelling.rhythm_pulses import (
    BANDS,
    EDGES,
    FLOOR,
    HOP,
    LEVELS,
    MAX_QUIET,
    WINDOW,
    BandMeter,
    Levels,
    Pulses,
    lasting,
    rhythms_in,
    runs_of,
)

RHYTHM = [10, -10, 30, -30, 10, -10, 10]
"""Frames above the level, or below it where negative."""


def levels_of(lengths: list[int], around: int = MAX_QUIET, band: int = 3) -> Levels:
    levels = np.full((2 * around + sum(map(abs, lengths)), BANDS), -80, np.float32)
    at = around
    for length in lengths:
        if length > 0:
            levels[at : at + length, band] = -20
        at += abs(length)
    return levels


def count(lengths: list[int], around: int = MAX_QUIET, *, first: bool = False, last: bool = False) -> int:
    levels = levels_of(lengths, around)
    return len(rhythms_in(runs_of(levels), len(levels), first=first, last=last).band)


def test_a_pulse_is_a_run_at_each_level_below_it() -> None:
    runs = runs_of(levels_of([20]))
    assert runs.row.tolist() == [3 * len(LEVELS) + number for number, level in enumerate(LEVELS) if level < -20]
    assert set(runs.start) == {MAX_QUIET}
    assert set(runs.end) == {MAX_QUIET + 20}


def test_cracks_are_closed_and_specks_left_out() -> None:
    assert set(runs_of(levels_of([9, -2, 9, -30, 3])).end) == {MAX_QUIET + 20}


def test_the_rhythm_is_found_with_its_frames() -> None:
    levels = levels_of(RHYTHM)
    found = rhythms_in(runs_of(levels), len(levels), first=False, last=False)
    assert set(found.band) == {3}
    assert (found.start[0] - MAX_QUIET).tolist() == [0, 20, 80, 100]
    assert (found.end[0] - MAX_QUIET).tolist() == [10, 50, 90, 110]


@pytest.mark.parametrize(
    "wrong",
    [
        [10, -10, 15, -30, 10, -10, 10],
        [10, -10, 60, -30, 10, -10, 10],
        [10, -10, 30, -30, 10, -10, 20],
        [10, -10, 30, -30, 10, -30, 10],
        [10, -10, 30, -4, 10, -10, 10],
        [10, -10, 30, -80, 10, -10, 10],
        [3, -3, 9, -9, 3, -3, 3],
        [120, -120, 360, -120, 120, -120, 120],
        [10, -20, *RHYTHM],
        [*RHYTHM, -20, 10],
        [],
    ],
)
def test_other_lengths_are_none(wrong: list[int]) -> None:
    assert count(wrong) == 0


def test_what_lies_outside_the_frames_counts_as_quiet_only_at_the_ends_of_the_sound() -> None:
    assert count(RHYTHM, 30) == 0
    assert count(RHYTHM, 30, first=True) == 0
    assert count(RHYTHM, 30, last=True) == 0
    assert count(RHYTHM, 30, first=True, last=True) > 0


def test_pulses_of_different_bands_make_no_rhythm() -> None:
    levels = np.full((400, BANDS), -80, np.float32)
    for band, begin, end in ((2, 90, 100), (3, 110, 140), (2, 170, 180), (3, 190, 200)):
        levels[begin:end, band] = -20
    assert not rhythms_in(runs_of(levels), 400, first=True, last=True).band.size


def test_no_frames_have_no_runs() -> None:
    assert not runs_of(np.zeros((0, BANDS), np.float32)).row.size


def test_a_rhythm_has_to_last_over_two_levels() -> None:
    levels = levels_of(RHYTHM)
    found = rhythms_in(runs_of(levels), len(levels), first=False, last=False)
    assert lasting(found, len(levels)).level.tolist() == found.level.tolist()[:-1]
    assert not lasting(found.only(found.level % 2 == 0), len(levels)).band.size
    later = Pulses(found.band, found.level, found.start + found.level[:, None] * 9, found.end)
    assert not lasting(later, len(levels)).band.size


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
