"""Samples at full scale."""

import numpy as np
import pytest

from pipeline.sound.events.clipping import LIMIT, Clipping
from pipeline.sound.events.scores import HEARD
from pipeline.sound.events.windows import HOP, WINDOW
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.disturbances import clipped
from tests.pipeline.speech.audio.sound import clip

TALK = clip("sense-and-sensibility")


def scores(sound: Samples) -> list[float]:
    return [Clipping().score(sound[at : at + WINDOW]) for at in range(0, sound.size - WINDOW + 1, HOP)]


@pytest.mark.parametrize("seed", range(5))
def test_overdriven_talk_is_clipped(seed: int) -> None:
    found = scores(clipped(np.random.default_rng(seed), TALK))
    assert np.mean(np.array(found) >= HEARD) > 0.7


def test_talk_at_full_scale_is_not() -> None:
    assert max(scores(TALK / np.abs(TALK).max())) < HEARD


def test_the_score_is_one_half_at_the_limit() -> None:
    window = np.zeros(WINDOW, np.float32)
    window[: round(LIMIT * WINDOW)] = -1
    assert Clipping().score(window) == pytest.approx(0.5)
    assert Clipping().score(np.zeros(WINDOW, np.float32)) == 0
