"""The samples that a listener keeps for the audio of a span."""

import numpy as np

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.listener import Recent
from pipeline.sound.spans import LONGEST


def test_the_last_seconds_are_kept() -> None:
    recent = Recent(1_000)
    sound = np.linspace(-1, 0.99, 60 * SAMPLE_RATE, dtype=np.float32)
    for begin in range(0, sound.size, SAMPLE_RATE):
        recent.add(sound[begin : begin + SAMPLE_RATE])
    end = 1_000 + sound.size
    start, found = recent.cut(end - LONGEST, end - 10)
    assert start == end - LONGEST
    assert np.allclose(found, sound[-LONGEST:-10], atol=1e-4)
    start, found = recent.cut(0, end)
    assert LONGEST <= found.size < LONGEST + 6 * SAMPLE_RATE
    assert start == end - found.size
    assert recent.cut(0, 1_000)[1].size == 0
