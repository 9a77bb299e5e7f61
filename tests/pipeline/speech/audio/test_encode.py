import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import AudioError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.decode import read_bytes
from pipeline.speech.audio.encode import decode_flac, encode_flac, encode_opus_clip, to_pcm16
from tests.pipeline.speech.audio.sound import clip, silence


@given(st.lists(st.integers(-32_768, 32_767), min_size=1, max_size=5_000))
def test_flac_is_lossless_for_16_bit_samples(pcm: list[int]) -> None:
    samples = (np.array(pcm) / 32_768).astype(np.float32)
    assert np.array_equal(decode_flac(encode_flac(samples)), samples)


def test_flac_is_smaller_than_pcm_and_has_no_padding() -> None:
    assert len(encode_flac(clip("sense-and-sensibility"))) < 0.65 * len(to_pcm16(clip("sense-and-sensibility")))
    assert len(encode_flac(silence(0.3))) < 300


def test_loud_samples_are_clipped_without_overflow() -> None:
    assert np.frombuffer(to_pcm16(np.array([2, -2, 1, -1], np.float32)), "<i2").tolist() == [
        32_767,
        -32_768,
        32_767,
        -32_768,
    ]


@pytest.mark.parametrize("bitrate", [16_000, 24_000, 32_000])
def test_opus_has_about_the_requested_bit_rate(bitrate: int) -> None:
    speech = clip("demo-abouttotry")
    data = encode_opus_clip(speech, bitrate)
    assert len(data) * 8 / (speech.size / SAMPLE_RATE) == pytest.approx(bitrate, rel=0.3)
    heard, _ = read_bytes(data, "clip", 60)
    assert heard.size == pytest.approx(speech.size, abs=0.02 * SAMPLE_RATE)


@pytest.mark.parametrize("samples", [silence(0), silence(601)])
def test_empty_and_too_long_audio_is_refused(samples: np.ndarray) -> None:
    with pytest.raises(AudioError, match="Cannot encode"):
        encode_flac(samples)


def test_data_that_is_not_audio_is_refused() -> None:
    with pytest.raises(AudioError, match="The utterance's audio cannot be read"):
        decode_flac(b"fLaC but not really")
