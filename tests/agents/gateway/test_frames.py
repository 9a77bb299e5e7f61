"""The number of samples in a PCM frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.gateway.frames import samples_in
from agents.gateway.request import Voice, parse
from pipeline.errors import InputError


def pcm(codec: str, channels: int) -> Voice:
    return parse(f"/v1/rooms/r/speakers/s/audio?codec={codec}&sample_rate=48000&channels={channels}")


@given(st.integers(0, 500), st.sampled_from([("pcm_s16le", 2), ("pcm_f32le", 4)]), st.integers(1, 8))
def test_a_pcm_frame_holds_whole_samples_of_all_channels(count: int, codec: tuple[str, int], channels: int) -> None:
    name, width = codec
    assert samples_in(bytes(count * width * channels), pcm(name, channels)) == count
    with pytest.raises(InputError, match="whole samples"):
        samples_in(bytes(count * width * channels + 1), pcm(name, channels))
