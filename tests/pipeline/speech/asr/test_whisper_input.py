import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from whisper.audio import N_FFT, log_mel_spectrogram

from pipeline.speech.asr.whisper_input import (
    LIMITS,
    LONGEST,
    MARGIN,
    as_trained,
    last_timestamp,
    limit_of,
    log_mel,
    with_margin,
)
from pipeline.speech.asr.whisper_input import own_length as own
from tests.pipeline.speech.asr.parts import speech


@pytest.mark.parametrize("bands", [80, 128])
@pytest.mark.parametrize("samples", [16_000, 40_007, 100])
def test_the_spectrogram_equals_whispers_own(bands: int, samples: int) -> None:
    clip = speech("conf-invalidpin")[:samples]
    theirs = log_mel_spectrogram(clip, bands, padding=N_FFT).numpy()[:, : max(1, samples // 160)]
    np.testing.assert_allclose(log_mel(clip, bands), theirs, atol=2e-4)


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
