"""The encoder is Whisper's own for 30 s, and a shorter clip needs less work."""

import pytest
import torch

from pipeline.speech.asr.openai_whisper_engine import encode_clips
from tests.pipeline.speech.asr.models import little_whisper


def test_a_clip_of_30_seconds_is_encoded_as_by_whisper() -> None:
    encoder, mel = little_whisper().encoder, torch.randn(2, 80, 3_000)
    with torch.inference_mode():
        torch.testing.assert_close(encode_clips(encoder, mel), encoder(mel), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("frames", [2, 100, 1_501])
def test_a_shorter_clip_has_one_position_for_two_frames(frames: int) -> None:
    encoder = little_whisper().encoder
    with torch.inference_mode():
        found = encode_clips(encoder, torch.randn(3, 80, frames))
    assert found.shape == (3, -(-frames // 2), 8)
    assert found.isfinite().all()


def test_clips_of_a_batch_do_not_influence_each_other() -> None:
    encoder, mel = little_whisper().encoder, torch.randn(2, 80, 200)
    with torch.inference_mode():
        together, alone = encode_clips(encoder, mel), encode_clips(encoder, mel[1:])
    torch.testing.assert_close(together[1:], alone, rtol=1e-4, atol=1e-5)
