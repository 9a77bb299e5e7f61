"""The shipped model of music and singing."""

import numpy as np
import pytest

from benchmarks.songs import song
from pipeline.audio.resample import Samples
from pipeline.messages import SAMPLE_RATE
from pipeline.sound.events.mel import FRAME, STEP, levels
from pipeline.sound.events.music import CONTEXT, MODEL, Music
from pipeline.sound.events.scores import HEARD
from pipeline.sound.events.windows import HOP, WINDOW
from tests.pipeline.sound.fingerprints.music import talk


def scores(sound: Samples) -> list[float]:
    music = Music()
    return [music.score(sound[at : at + WINDOW]) for at in range(0, sound.size - WINDOW + 1, HOP)]


def test_the_model_is_small() -> None:
    assert MODEL.stat().st_size < 1_000_000


def test_most_songs_are_music() -> None:
    songs = [song(np.random.default_rng(seed), 20 * SAMPLE_RATE) for seed in range(4)]
    held = [np.mean(np.array(scores(each)[6:]) >= HEARD) for each in songs]
    assert sum(share > 0.8 for share in held) >= 3, held


@pytest.mark.parametrize("volume", [1.0, 0.3, 0.1])
def test_talk_is_not_at_any_volume(volume: float) -> None:
    found = np.array(scores(volume * talk(40 * SAMPLE_RATE)))
    assert np.mean(found >= HEARD) < 0.1


def test_silence_is_not() -> None:
    assert max(scores(np.zeros(5 * SAMPLE_RATE, np.float32))) == 0


def test_the_windows_follow_each_other_without_a_seam() -> None:
    sound = talk(10 * SAMPLE_RATE)
    music = Music()
    for at in range(0, 5 * SAMPLE_RATE, HOP):
        music.score(sound[at : at + WINDOW])
    end = 5 * SAMPLE_RATE + HOP
    assert np.allclose(music._levels, levels(sound[end - CONTEXT * STEP - FRAME + STEP : end]))
