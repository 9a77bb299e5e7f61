"""Speech is taken out of a stream."""

from itertools import pairwise

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.voices.speech import BLOCK, SpeechPart, SpeechParts
from pipeline.sound.voices.voice_embedding import PART
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.voices.speakers import reader

DAY = 1_790_000_003 * SAMPLE_RATE + 77


def parts(sound: Samples, size: int = SAMPLE_RATE, start: int = DAY) -> list[SpeechPart]:
    taken = SpeechParts(start)
    return [part for at in range(0, sound.size, size) for part in taken.push(sound[at : at + size])]


def test_pauses_do_not_count() -> None:
    speech = np.concatenate([reader()[: 7 * SAMPLE_RATE], np.zeros(BLOCK, np.float32)])
    dense = parts(speech)
    wide = parts(np.concatenate([speech, np.zeros(20 * SAMPLE_RATE, np.float32), speech]))
    assert len(dense) >= 3
    assert len(wide) == pytest.approx(2 * len(dense), abs=1)
    assert not parts(np.zeros(10 * SAMPLE_RATE, np.float32))
    assert not parts(np.random.default_rng(1).normal(0, 0.05, 10 * SAMPLE_RATE).astype(np.float32))


def test_a_part_tells_where_it_was_spoken() -> None:
    silence = np.zeros(5 * SAMPLE_RATE, np.float32)
    first, *_ = parts(np.concatenate([silence, reader()]))
    assert (first.start - DAY) / SAMPLE_RATE == pytest.approx(5, abs=1)
    assert PART <= first.end - first.start <= 2 * PART
    assert first.samples.shape == (PART,)


def test_a_rest_leaves_out_the_speech_of_a_part() -> None:
    taken = SpeechParts(DAY // BLOCK * BLOCK)
    found: list[SpeechPart] = []
    for part in taken.push(reader()):
        found.append(part)
        taken.rest()
    gaps = [later.start - before.end for before, later in pairwise(found)]
    assert len(found) >= 3
    assert all(gap > 0.9 * PART for gap in gaps)
    assert len(parts(reader())) >= len(found) + 2


def test_the_sizes_of_the_blocks_do_not_matter() -> None:
    whole = parts(reader())
    for size in (100, 50_000):
        other = parts(reader(), size)
        assert [part[:2] for part in other] == [part[:2] for part in whole]
        assert all(np.array_equal(one.samples, two.samples) for one, two in zip(whole, other, strict=True))
