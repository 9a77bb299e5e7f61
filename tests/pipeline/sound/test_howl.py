"""Feedback howls; voices, notes and hum do not."""

from collections.abc import Callable

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.howl import Howl
from pipeline.sound.sound_windows import HEARD, HOP, WINDOW
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.disturbances import howl
from tests.pipeline.sound.fingerprints.music import talk
from tests.pipeline.sound.songs import song

SECONDS = 10
TIME = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE


def heard(sound: Samples) -> float:
    """The share of windows that hold a howl."""
    measure = Howl()
    windows = [sound[at : at + WINDOW] for at in range(0, sound.size - WINDOW + 1, HOP)]
    return float(np.mean([measure.score(window) >= HEARD for window in windows]))


def tone(frequency: float, level: float = 0.1) -> Samples:
    made: Samples = (level * np.sin(2 * np.pi * frequency * TIME)).astype(np.float32)
    return made


@pytest.mark.parametrize("seed", range(8))
def test_a_loop_of_loudspeaker_and_microphone_is_heard(seed: int) -> None:
    assert heard(howl(np.random.default_rng(seed), 0.1 * talk(SECONDS * SAMPLE_RATE))) > 0.5


def sung() -> Samples:
    """A vowel on one note: vibrato of half a semitone, and overtones."""
    phase = 2 * np.pi * 330 * (TIME + 0.015 / (2 * np.pi * 5.5) * np.sin(2 * np.pi * 5.5 * TIME))
    made: Samples = np.sum([np.sin(number * phase) / number for number in range(1, 6)], axis=0).astype(np.float32)
    return 0.2 * made


def glide() -> Samples:
    made: Samples = (0.2 * np.sin(2 * np.pi * (800 + 20 * TIME) * TIME)).astype(np.float32)
    return made


@pytest.mark.parametrize(
    "make",
    [
        lambda: talk(SECONDS * SAMPLE_RATE),
        lambda: song(np.random.default_rng(1), SECONDS * SAMPLE_RATE),
        sung,
        glide,
        lambda: np.random.default_rng(1).normal(0, 0.1, TIME.size).astype(np.float32),
        lambda: tone(100) + tone(50),
        lambda: tone(2_000, 0.003),
        lambda: np.zeros(TIME.size, np.float32),
    ],
    ids=["talk", "song", "singing", "glide", "noise", "hum", "quiet tone", "silence"],
)
def test_other_sounds_are_not(make: Callable[[], Samples]) -> None:
    assert heard(make()) == 0


@pytest.mark.parametrize("frequency", [300.0, 1_003.3, 6_000.0])
def test_a_steady_tone_over_talk_is_heard_while_it_is_louder(frequency: float) -> None:
    quiet = 0.05 * talk(TIME.size)
    assert heard(tone(frequency, 0.3) + quiet) > 0.9
    assert heard(tone(frequency, 0.002) + quiet) == 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("sounds", "muted"), [(0.6, 0.3), (0.4, 0.3), (0.3, 0.2)])
def test_a_howl_that_a_suppressor_interrupts_is_heard(seed: int, sounds: float, muted: float) -> None:
    """Talk stays audible in the gaps."""
    loop = howl(np.random.default_rng(seed), 0.1 * talk(TIME.size))
    assert heard(loop * (TIME % (sounds + muted) < sounds) + 0.03 * talk(TIME.size)) > 0.8


def test_two_tones_that_howl_at_once_are_heard() -> None:
    quiet = 0.05 * talk(TIME.size)
    assert heard(tone(730, 0.2) + tone(1_190, 0.15) + quiet) > 0.9
    assert heard(tone(500, 0.2) + tone(1_000, 0.15) + quiet) == 0, "a note and its overtone"


def test_three_tones_are_a_chord() -> None:
    assert heard(tone(523, 0.1) + tone(659, 0.1) + tone(784, 0.1)) == 0


def test_a_howl_that_grows_out_of_silence_is_heard_when_it_is_loud() -> None:
    growing = tone(1_000, 1) * np.float32(10) ** (-4 + 4 * TIME / SECONDS).astype(np.float32)
    assert heard(growing[: 4 * SAMPLE_RATE]) == 0
    assert heard(growing[6 * SAMPLE_RATE :]) > 0.8


def test_the_notes_of_a_flute_are_not_a_howl() -> None:
    """Each note is a steady tone, but the next one differs."""
    notes = [tone(frequency)[: SAMPLE_RATE * 3 // 4] for frequency in (440, 494, 523, 587, 659, 587, 523, 494) * 2]
    assert heard(np.concatenate(notes)) < 0.5
