"""The benchmark of two languages counts the words of each half."""

import numpy as np
import pytest

from benchmarks.clips import Reference
from benchmarks.mixed import LOUDNESS, even, share

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file .*english.json:ResourceWarning")
"""Whisper leaves the file open."""


@pytest.mark.parametrize(
    ("language", "said", "text", "expected"),
    [
        ("en", "I put the gun down", "我想走 I put the, gun.", 0.8),
        ("en", "I put the gun down", "down gun", 0.2),
        ("zh", "你可以走了", "You may go. 你可以走", 0.8),
        ("zh", "你可以走了", "", 0.0),
    ],
)
def test_a_half_counts_by_its_words_in_order(language: str, said: str, text: str, expected: float) -> None:
    assert share(Reference("a.flac", language, "phone", 2.0, said), text) == expected


def test_clips_are_equally_loud() -> None:
    loud = even(np.full(160, 0.5, np.float32))
    assert np.sqrt(np.mean(loud**2)) == pytest.approx(LOUDNESS)
    assert not even(np.zeros(160, np.float32)).any()
