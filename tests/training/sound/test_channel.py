"""Rooms, lines and codecs."""

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.resample import Samples
from tests.pipeline.speech.audio.sound import clip
from training.sound.channel import coded, in_room, levelled, tilted


def speech() -> Samples:
    return clip("sense-and-sensibility")[: 2 * SAMPLE_RATE]


def power(sound: Samples, low: int, high: int) -> float:
    """The power between two frequencies in Hz."""
    spectrum = np.square(np.abs(np.fft.rfft(sound)))
    hertz = np.fft.rfftfreq(sound.size, 1 / SAMPLE_RATE)
    return float(spectrum[(hertz >= low) & (hertz < high)].sum())


def test_a_line_stops_high_frequencies_and_tilts_the_rest() -> None:
    narrow = tilted(speech(), 0, 3_400, 33_000)
    assert narrow.size == speech().size
    assert power(narrow, 5_000, 8_000) < 0.01 * power(speech(), 5_000, 8_000)
    assert power(narrow, 300, 2_000) == pytest.approx(power(speech(), 300, 2_000), rel=0.05)
    bright = tilted(speech(), 4, 8_000, 33_000)
    assert power(bright, 1_900, 2_100) == pytest.approx(10 ** (4 / 10) * power(speech(), 1_900, 2_100), rel=0.3)


def test_an_echo_fades_and_keeps_the_direct_sound() -> None:
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[0] = 1
    heard = in_room(np.random.default_rng(1), click)
    assert heard[0] == pytest.approx(1, abs=1e-3)
    assert np.abs(heard[1:1_000]).max() > 10 * np.abs(heard[-1_000:]).max()


def test_a_codec_keeps_the_size_and_most_of_the_sound() -> None:
    sent = coded(speech(), 24_000)
    assert sent.size == speech().size
    assert power(sent, 200, 3_000) == pytest.approx(power(speech(), 200, 3_000), rel=0.3)


def test_a_level_is_one() -> None:
    assert np.sqrt(np.square(levelled(speech())).mean()) == pytest.approx(1, abs=1e-3)
    assert not levelled(np.zeros(10, np.float32)).any()
