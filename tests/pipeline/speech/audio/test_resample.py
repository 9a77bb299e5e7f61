import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.resample import Resampler, from_pcm, mean, not_cancelled
from tests.pipeline.speech.audio.sound import clip


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000, 96_000])
def test_resampling_keeps_the_frequency_of_a_tone(rate: int) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    resampler = Resampler(rate)
    heard = np.concatenate([resampler.push(tone), resampler.flush()])
    assert heard.size == pytest.approx(SAMPLE_RATE, abs=1)
    inner = slice(200, SAMPLE_RATE - 200)
    assert heard[inner] == pytest.approx(np.sin(2 * np.pi * 440 * np.arange(heard.size) / SAMPLE_RATE)[inner], abs=1e-2)


@given(st.lists(st.integers(0, 3_000), max_size=12), st.sampled_from([8_000, 44_100, 48_000]))
def test_the_block_sizes_do_not_change_the_samples(sizes: list[int], rate: int) -> None:
    sound = clip("tt-weasels")[:20_000]
    whole, blockwise = Resampler(rate), Resampler(rate)
    parts = np.split(sound, np.cumsum([0, *sizes]))
    expected = np.concatenate([whole.push(sound), whole.flush()])
    heard = np.concatenate([*(blockwise.push(part) for part in parts), blockwise.flush()])
    assert np.array_equal(heard, expected)


@pytest.mark.parametrize("kind", ["u1", "<i2", "<i4", "<f4", "<f8"])
def test_pcm_of_any_format_is_scaled_to_one(kind: str) -> None:
    wanted = np.array([[-1.0, -0.5, 0.0, 0.5]])
    if kind[-2] == "f":
        pcm = wanted.astype(kind)
    else:
        scale = 2.0 ** (8 * np.dtype(kind).itemsize - 1)
        pcm = (wanted * scale + (scale if kind == "u1" else 0)).astype(kind)
    samples, bad = from_pcm(np.vstack([pcm, pcm]), mean)
    assert samples.tolist() == wanted[0].tolist()
    assert bad == 0


def test_one_broken_channel_does_not_silence_the_other() -> None:
    samples, bad = from_pcm(np.array([[np.nan, np.inf], [0.5, -0.5]], np.float32), mean)
    assert samples.tolist() == [0.25, -0.25]
    assert bad == 2


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=50), st.floats(-2, 2))
def test_no_second_channel_silences_the_first(voice: list[float], weight: float) -> None:
    """The result is quietest if the mean is half of the loudest channel, or if both are equal and opposite."""
    one = np.array(voice, np.float32)
    mixed = not_cancelled(np.stack([one, np.float32(weight) * one]))
    assert np.all(np.abs(mixed) >= 0.49 * np.abs(one) - 1e-6)


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.floats(0, 1, width=32)), min_size=1, max_size=50))
def test_channels_that_do_not_cancel_are_averaged(pairs: list[tuple[float, float]]) -> None:
    channels = np.array(pairs, np.float32).T
    assert not_cancelled(channels) == pytest.approx(mean(channels), abs=1e-6)
