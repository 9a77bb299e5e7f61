"""The meter gives the loudness that ITU-R BS.1770 and EBU Tech 3341 state for their test signals."""

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.loudness import HIGH_PASS, LIMIT, OFFSET, RATE_OF_FILTERS, SHELF, SILENCE, Loudness, LoudnessMeter
from pipeline.sound.sound_windows import HEARD, HOP, WINDOW
from pipeline.speech.audio.resample import Samples
from tests.pipeline.speech.audio.sound import clip


def sine(decibels: float, frequency: float = 1_000.0, seconds: float = 5.0) -> Samples:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    made: Samples = (10 ** (decibels / 20) * np.sin(2 * np.pi * frequency * time)).astype(np.float32)
    return made


def measured(sound: Samples) -> LoudnessMeter:
    meter = LoudnessMeter()
    for hop in sound[: sound.size // HOP * HOP].reshape(-1, HOP):
        meter.push(hop)
    return meter


@pytest.mark.parametrize("level", [0.0, -20.0, -36.0])
def test_a_sine_of_one_kilohertz_in_one_channel_is_3_lu_below_its_peak(level: float) -> None:
    """BS.1770-5, annex 1: a sine of 997 Hz at full scale, in one channel, has -3.01 LKFS."""
    assert measured(sine(level, 997.0)).short_term == pytest.approx(level - 3.01, abs=0.1)


def of_standard(frequency: float) -> float:
    """The loudness of a sine of -20 dB, by the filters of the standard, sample by sample at 48 kHz."""
    wave = (0.1 * np.sin(2 * np.pi * frequency * np.arange(RATE_OF_FILTERS) / RATE_OF_FILTERS)).tolist()
    for (b0, b1, b2), (_, a1, a2) in (SHELF, HIGH_PASS):
        x1 = x2 = y1 = y2 = 0.0
        for place, x in enumerate(wave):
            y = b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2
            x1, x2, y1, y2 = x, x1, y, y1
            wave[place] = y
    settled = np.array(wave[RATE_OF_FILTERS // 5 :])
    return OFFSET + 10 * float(np.log10(np.square(settled).mean()))


@pytest.mark.parametrize("frequency", [25, 60, 100, 500, 1_500, 2_000, 4_000, 7_500])
def test_the_weighting_is_that_of_the_standard(frequency: float) -> None:
    assert measured(sine(-20, frequency)).short_term == pytest.approx(of_standard(frequency), abs=0.05)


def test_the_window_has_three_seconds() -> None:
    """As in EBU Tech 3341, cases 9 to 14: two levels in turn."""
    meter = measured(np.concatenate([sine(-40, seconds=4), sine(-20, seconds=1)]))
    assert meter.short_term == pytest.approx(-23 + 10 * np.log10(1 / 3), abs=0.4)
    assert measured(np.concatenate([sine(-40, seconds=4), sine(-20, seconds=4)])).short_term == pytest.approx(
        -23, abs=0.2
    )


def test_silence_has_the_lowest_loudness() -> None:
    meter = LoudnessMeter()
    assert meter.short_term == SILENCE
    meter.push(np.zeros(HOP, np.float32))
    assert meter.short_term == SILENCE


def test_what_is_quieter_than_40_decibels_counts_as_silence() -> None:
    assert measured(sine(-41)).short_term == SILENCE
    assert measured(sine(-39)).short_term == pytest.approx(-42, abs=0.1)
    quiet, loud = sine(-41, seconds=3), sine(-20, seconds=4)
    assert measured(np.concatenate([quiet, loud])).short_term == pytest.approx(-23, abs=0.1)


def score(sound: Samples) -> float:
    measure = Loudness()
    scores = [measure.score(sound[at : at + WINDOW]) for at in range(0, sound.size - WINDOW + 1, HOP)]
    return max(scores)


def test_only_sound_above_the_limit_is_loud() -> None:
    assert score(sine(LIMIT + 3.01 + 3)) == pytest.approx(0.75, abs=0.02)
    assert score(sine(LIMIT + 3.01 - 1)) < HEARD
    talk = clip("sense-and-sensibility")
    assert score(talk / np.abs(talk).max()) < HEARD
    assert score(np.zeros(5 * SAMPLE_RATE, np.float32)) == 0
