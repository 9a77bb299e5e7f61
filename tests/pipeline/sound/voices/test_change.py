"""When a voice counts as another one."""

import numpy as np
import pytest

from pipeline.sound.voices.change import FRESH, KNOWN, LIMIT, Embedding, Voices, similarity
from pipeline.sound.voices.voice_embedding import SIZE


def voice(seed: int, like: int = 0, share: float = 0.0) -> Embedding:
    """A voice of its own, or with a `share` of the voice `like`."""
    own = np.eye(SIZE, dtype=np.float32)
    mixed: Embedding = (share * own[like] + np.sqrt(1 - share**2) * own[seed]).astype(np.float32)
    return mixed


def changes(heard: list[Embedding]) -> list[int]:
    voices = Voices()
    return [number for number, each in enumerate(heard) if voices.add(each) is not None]


def test_a_voice_alone_is_no_change() -> None:
    assert changes([voice(1)] * 100) == []
    assert changes([voice(1), voice(2)] * 50) == [], "two who always take turns are known together"


def test_another_voice_is_noticed_once_it_has_spoken_long_enough() -> None:
    found = changes([voice(1)] * KNOWN + [voice(2)] * 20)
    assert found == [KNOWN + FRESH]
    assert changes([voice(1)] * KNOWN + [voice(2)] * FRESH) == []


def test_a_change_is_noticed_when_the_speech_ends() -> None:
    voices = Voices()
    assert [voices.add(each) for each in [voice(1)] * KNOWN + [voice(2)] * FRESH] == [None] * (KNOWN + FRESH)
    assert voices.flush() == pytest.approx(0)
    assert voices.flush() is None


def test_the_similarity_is_that_of_the_other_voice_alone() -> None:
    voices = Voices()
    heard = [voice(1)] * (KNOWN + FRESH) + [voice(2, like=1, share=0.5)] * 10
    [found] = [found for each in heard if (found := voices.add(each)) is not None]
    assert found == pytest.approx(0.5, abs=1e-6)


def test_nobody_is_known_before() -> None:
    assert changes([voice(1)] * (KNOWN // 4) + [voice(2)] * 40) == []


def test_the_other_voice_is_learned_and_its_change_is_noticed() -> None:
    found = changes([voice(1)] * (KNOWN + 5) + [voice(2)] * (KNOWN + 5) + [voice(1)] * 20)
    assert len(found) == 2
    assert found[1] >= 2 * KNOWN + 10


def test_a_similar_voice_is_the_same() -> None:
    assert changes([voice(1)] * KNOWN + [voice(2, like=1, share=LIMIT + 0.02)] * 20) == []
    assert len(changes([voice(1)] * KNOWN + [voice(2, like=1, share=LIMIT - 0.02)] * 20)) == 1


def test_the_similarity_is_the_cosine() -> None:
    one, other = voice(1), voice(2)
    assert similarity(one, one + one) == pytest.approx(1)
    assert similarity(one, other) == pytest.approx(0)
    assert similarity(one, one + other) == pytest.approx(np.sqrt(0.5))
    assert similarity(one, np.zeros(SIZE, np.float32)) == 0
