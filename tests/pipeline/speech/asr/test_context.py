import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.speech.asr.context import LIMITS, LONGEST, MARGIN, as_trained, last_timestamp, limit_of, with_margin
from pipeline.speech.asr.context import own_length as own


def mel(frames: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.linspace(-0.7, 1.2, 80 * frames, dtype=np.float32).reshape(80, frames)


@given(st.integers(1, LONGEST))
def test_a_clip_has_its_own_length_and_a_margin_at_its_quietest_level(frames: int) -> None:
    clip = mel(frames)
    context = own(clip)
    np.testing.assert_array_equal(context[:, :frames], clip)
    assert (context[:, frames:] == clip.min()).all()
    assert min(frames + MARGIN, LONGEST) <= context.shape[1] <= LONGEST
    assert context.shape[1] < frames + MARGIN + 10


def test_a_second_decode_has_zero_padding() -> None:
    context = as_trained(mel(300), 12)
    assert context.shape == (80, 1200)
    assert not context[:, 300:].any()
    assert as_trained(mel(1300), 12).shape == (80, 1300)


@pytest.mark.parametrize(("positions", "limit"), [(1, 3.0), (150, 3.0), (151, 5.0), (1500, 30.0)])
def test_every_number_of_positions_has_a_limit(positions: int, limit: float) -> None:
    assert limit_of(positions) == limit


@pytest.mark.parametrize(("frames", "limit"), [(1, 3.0), (200, 3.0), (202, 5.0), (2200, 23.0), (2950, 30.0)])
def test_a_limit_leaves_one_second_of_margin_up_to_30_seconds(frames: int, limit: float) -> None:
    assert with_margin(mel(frames)) == limit


def test_timestamps_are_allowed_up_to_the_latest_end_of_speech() -> None:
    for limit in LIMITS[:-1]:
        latest = (limit * 100 - MARGIN) / 2
        assert latest < last_timestamp(limit) < latest + 20
    assert last_timestamp(30.0) == 1500
