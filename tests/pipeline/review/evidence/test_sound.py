"""Outline, loudness and speed of a clip."""

import math

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.review.evidence import sound
from pipeline.speech.audio.encode import encode_opus_clip

SECONDS = 4


def tone(hertz: float, amplitude: float, seconds: float = SECONDS) -> sound.Samples:
    at = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (amplitude * np.sin(2 * np.pi * hertz * at)).astype(np.float32)


def pitch(samples: sound.Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return float(np.fft.rfftfreq(samples.size, 1 / SAMPLE_RATE)[spectrum.argmax()])


def test_the_loudness_of_the_standard_s_test_tone() -> None:
    """BS.1770: a sine of 0 dBFS at 997 Hz is -3.01 LUFS."""
    assert sound.loudness(tone(997, 1.0)) == pytest.approx(-3.01, abs=0.1)
    assert sound.loudness(tone(997, 0.1)) == pytest.approx(-23.01, abs=0.1)


def test_low_tones_count_less_and_silence_is_ignored() -> None:
    assert sound.loudness(tone(40, 0.1)) < sound.loudness(tone(997, 0.1)) - 3
    padded = np.concatenate([tone(997, 0.1), np.zeros(10 * SAMPLE_RATE, np.float32)])
    assert sound.loudness(padded) == pytest.approx(-23.01, abs=0.5)
    assert sound.loudness(np.zeros(SAMPLE_RATE, np.float32)) == -math.inf


def test_the_gain_brings_clips_to_the_target_loudness() -> None:
    for amplitude in (0.05, 0.3, 1.0):
        samples = tone(997, amplitude)
        assert sound.loudness(samples) + sound.gain(samples) == pytest.approx(sound.TARGET_LUFS, abs=0.1)
    assert sound.gain(tone(997, 0.0005)) == sound.MAX_GAIN_DB
    assert sound.gain(np.zeros(SAMPLE_RATE, np.float32)) == 0.0


@pytest.mark.parametrize("speed", [0.75, 1.25, 1.5, 2.0])
def test_another_speed_changes_the_length_but_not_the_pitch(speed: float) -> None:
    heard = sound.decode_clip(sound.stretched(encode_opus_clip(tone(440, 0.3)), speed))
    assert heard.size / SAMPLE_RATE == pytest.approx(SECONDS / speed, rel=0.03)
    assert pitch(heard) == pytest.approx(440, abs=5)


def test_peaks() -> None:
    samples = np.zeros(1_000, np.float32)
    samples[250], samples[999] = -0.5, 2.0
    found = sound.peaks(samples, 10)
    assert found.tolist() == [0, 0, 0.5, 0, 0, 0, 0, 0, 0, 1.0]
    assert sound.peaks(samples[:3], 10).shape == (10,)
    assert sound.peaks(samples[:0], 10).tolist() == [0.0] * 10
