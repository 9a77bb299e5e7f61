"""Pieces of speech become one clip."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.review.cases.values import ClipPiece
from pipeline.review.evidence.clip import MAX_SILENCE, compose
from pipeline.speech.audio.resample import Samples


def level(value: float, seconds: float) -> Samples:
    return np.full(round(seconds * SAMPLE_RATE), value, np.float32)


def heard(clip: Samples, second: float) -> float:
    """Return the level of the clip at a second."""
    return float(clip[round(second * SAMPLE_RATE)])


def test_pauses_keep_their_length() -> None:
    clip, timeline = compose([(12.0, level(0.2, 2)), (8.0, level(0.1, 2))], begin=5.0)
    assert len(clip) == 6 * SAMPLE_RATE
    assert [heard(clip, t) for t in (0, 1.9, 2.1, 3.9, 4, 5.9)] == pytest.approx([0.1, 0.1, 0, 0, 0.2, 0.2])
    assert timeline == (ClipPiece(0.0, 8.0, 2.0), ClipPiece(4.0, 12.0, 2.0))


def test_a_long_pause_is_shortened_in_clip_and_timeline() -> None:
    clip, timeline = compose([(0.0, level(0.1, 1)), (3_600.0, level(0.2, 1))], begin=0.0)
    assert len(clip) == (2 + MAX_SILENCE) * SAMPLE_RATE
    assert timeline == (ClipPiece(0.0, 0.0, 1.0), ClipPiece(1 + MAX_SILENCE, 3_600.0, 1.0))


def test_shared_speech_of_two_utterances_plays_once() -> None:
    clip, timeline = compose([(0.0, level(0.1, 8)), (7.5, level(0.2, 4))], begin=0.0)
    assert len(clip) == 11.5 * SAMPLE_RATE
    assert [heard(clip, t) for t in (7.9, 8.0)] == pytest.approx([0.1, 0.2])
    assert timeline == (ClipPiece(0.0, 0.0, 8.0), ClipPiece(8.0, 8.0, 3.5))


def test_the_clip_contains_nothing_from_before_its_beginning() -> None:
    clip, timeline = compose([(0.0, level(0.1, 8)), (9.0, level(0.2, 1))], begin=5.0)
    assert len(clip) == 5 * SAMPLE_RATE
    assert timeline[0] == ClipPiece(0.0, 5.0, 3.0)


def test_no_speech_gives_no_clip() -> None:
    assert compose([], begin=0.0)[1] == ()
    assert compose([(0.0, level(0.1, 2))], begin=3.0)[1] == ()


@given(
    st.lists(st.tuples(st.floats(0, 60), st.floats(0.3, 15)), max_size=6),
    st.floats(0, 30),
)
def test_the_timeline_is_right_for_every_moment(spans: list[tuple[float, float]], begin: float) -> None:
    pieces = [(start, level((number + 1) / 10, seconds)) for number, (start, seconds) in enumerate(spans)]
    clip, timeline = compose(pieces, begin)
    assert len(clip) == (round((timeline[-1].offset + timeline[-1].seconds) * SAMPLE_RATE) if timeline else 0)
    for piece in timeline:
        assert piece.start >= begin - 1 / SAMPLE_RATE
        assert np.all(clip[round(piece.offset * SAMPLE_RATE) :][: round(piece.seconds * SAMPLE_RATE)] > 0)
    gaps = [(a.start + a.seconds, b.start) for a, b in itertools.pairwise(timeline)]
    assert all(end <= following + 1 / SAMPLE_RATE for end, following in gaps)
    speech = sum(piece.seconds for piece in timeline)
    assert np.count_nonzero(clip) == round(speech * SAMPLE_RATE)
