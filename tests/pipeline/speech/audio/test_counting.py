"""The number of samples in a PCM frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import InputError
from pipeline.contract.messages import StreamCodec
from pipeline.speech.audio.counting import samples_in

WIDTHS: list[tuple[StreamCodec, int]] = [("pcm_s16le", 2), ("pcm_f32le", 4)]


@given(st.integers(0, 500), st.sampled_from(WIDTHS), st.integers(1, 8))
def test_a_pcm_frame_holds_whole_samples_of_all_channels(
    count: int, codec: tuple[StreamCodec, int], channels: int
) -> None:
    name, width = codec
    assert samples_in(bytes(count * width * channels), name, channels) == count
    with pytest.raises(InputError, match="whole samples"):
        samples_in(bytes(count * width * channels + 1), name, channels)
