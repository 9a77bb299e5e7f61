"""Outline, loudness and speed of a clip."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import SAMPLE_RATE, Hit, Word
from pipeline.review.cases.case_values import ClipPiece
from pipeline.review.evidence import clip_player
from pipeline.review.evidence.clip_player import offset_of, tokens
from pipeline.speech.audio.encode import encode_opus_clip
from tests.builders import NOON, flag

SECONDS = 4


def tone(hertz: float, amplitude: float, seconds: float = SECONDS) -> clip_player.Samples:
    at = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (amplitude * np.sin(2 * np.pi * hertz * at)).astype(np.float32)


def pitch(samples: clip_player.Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return float(np.fft.rfftfreq(samples.size, 1 / SAMPLE_RATE)[spectrum.argmax()])


def test_the_loudness_of_the_standard_s_test_tone() -> None:
    """BS.1770: a sine of 0 dBFS at 997 Hz is -3.01 LUFS."""
    assert clip_player.loudness(tone(997, 1.0)) == pytest.approx(-3.01, abs=0.1)
    assert clip_player.loudness(tone(997, 0.1)) == pytest.approx(-23.01, abs=0.1)


def test_low_tones_count_less_and_silence_is_ignored() -> None:
    assert clip_player.loudness(tone(40, 0.1)) < clip_player.loudness(tone(997, 0.1)) - 3
    padded = np.concatenate([tone(997, 0.1), np.zeros(10 * SAMPLE_RATE, np.float32)])
    assert clip_player.loudness(padded) == pytest.approx(-23.01, abs=0.5)
    assert clip_player.loudness(np.zeros(SAMPLE_RATE, np.float32)) == -math.inf


def test_the_gain_brings_clips_to_the_target_loudness() -> None:
    for amplitude in (0.05, 0.3, 1.0):
        samples = tone(997, amplitude)
        assert clip_player.loudness(samples) + clip_player.gain(samples) == pytest.approx(
            clip_player.TARGET_LUFS, abs=0.1
        )
    assert clip_player.gain(tone(997, 0.0005)) == clip_player.MAX_GAIN_DB
    assert clip_player.gain(np.zeros(SAMPLE_RATE, np.float32)) == 0.0


@pytest.mark.parametrize("speed", [0.75, 1.25, 1.5, 2.0])
def test_another_speed_changes_the_length_but_not_the_pitch(speed: float) -> None:
    heard = clip_player.decode_clip(clip_player.stretched(encode_opus_clip(tone(440, 0.3)), speed))
    assert heard.size / SAMPLE_RATE == pytest.approx(SECONDS / speed, rel=0.03)
    assert pitch(heard) == pytest.approx(440, abs=5)


def test_peaks() -> None:
    samples = np.zeros(1_000, np.float32)
    samples[250], samples[999] = -0.5, 2.0
    found = clip_player.peaks(samples, 10)
    assert found.tolist() == [0, 0, 0.5, 0, 0, 0, 0, 0, 0, 1.0]
    assert clip_player.peaks(samples[:3], 10).shape == (10,)
    assert clip_player.peaks(samples[:0], 10).tolist() == [0.0] * 10


TIMELINE = (ClipPiece(0.0, NOON, 2.0), ClipPiece(3.0, NOON + 10, 4.0))


def test_tokens_have_the_recogniser_s_times_and_doubts() -> None:
    words = (Word("I", NOON, NOON + 0.2), Word(" will", NOON + 0.3, NOON + 0.5, 0.3), Word(" kill", NOON + 1, NOON + 2))
    said = flag("a", 0, 4, text="I will kill you", words=words, hits=(Hit("kill", "violence", "high", 7, 11),))
    found = tokens(said)
    assert [token.text for token in found] == ["I", " ", "will", " ", "kill", " you"]
    assert [token.text for token in found if token.hit] == ["kill"]
    assert [token.text for token in found if token.doubtful] == ["will"]
    assert (found[4].start, found[4].end, found[4].measured) == (NOON + 1, NOON + 2, True)


def test_missing_times_are_estimated_by_characters() -> None:
    found = tokens(flag("a", 0, 4, text="你好 hello", hits=()))
    assert [token.text for token in found] == ["你", "好", " ", "hello"]
    assert (found[1].start, found[3].end, found[3].measured) == (NOON + 0.5, NOON + 4, False)


@given(st.text(max_size=60), st.lists(st.text(max_size=6), max_size=6))
def test_tokens_contain_all_of_any_text(text: str, heard: list[str]) -> None:
    words = tuple(Word(word, NOON + at, NOON + at + 1) for at, word in enumerate(heard))
    found = tokens(flag("a", 0, 4, text=text, words=words, hits=()))
    assert "".join(token.text for token in found) == text


def test_the_offset_of_a_moment_in_the_clip() -> None:
    assert offset_of(TIMELINE, NOON + 1) == 1.0
    assert offset_of(TIMELINE, NOON - 5) == 0.0
    assert offset_of(TIMELINE, NOON + 5) == 3.0, "a moment in a pause gives the end of the pause"
    assert offset_of(TIMELINE, NOON + 11) == 4.0
    assert offset_of(TIMELINE, NOON + 20) is None
