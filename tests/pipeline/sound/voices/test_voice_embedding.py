"""The shipped voice model."""

import numpy as np
import pytest

from pipeline.sound.voices.voice_embedding import PART, SIZE, embed
from tests.pipeline.sound.voices.speakers import allison, reader


def test_two_parts_of_a_voice_are_closer_than_two_voices() -> None:
    one, other = allison(), reader()
    found = embed([one[16_000:][:PART], one[160_000:][:PART], other[:PART], other[40_000:][:PART]])
    near = found @ found.T
    assert min(near[0, 1], near[2, 3]) > max(near[0, 2], near[0, 3], near[1, 2], near[1, 3]) + 0.1


def test_embeddings_have_the_length_1() -> None:
    found = embed([allison()[:PART], np.zeros(PART, np.float32)])
    assert found.shape == (2, SIZE)
    assert np.square(found[0]).sum() == pytest.approx(1, abs=1e-5)
    assert found.min() >= 0
    assert np.isfinite(found).all()
    assert embed([]).shape == (0, SIZE)


def test_the_number_of_parts_in_a_call_does_not_matter() -> None:
    parts = [allison()[begin : begin + PART] for begin in range(0, 5 * PART, PART)]
    apart = np.concatenate([embed([part]) for part in parts])
    assert np.allclose(embed(parts), apart, atol=1e-4)
