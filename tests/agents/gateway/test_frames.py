"""The length of a frame, against FFmpeg's own Opus encoder and decoder."""

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.gateway.frames import samples_in
from agents.gateway.request import Voice, parse
from pipeline.audio.opus import opus_samples
from pipeline.errors import InputError


def pcm(codec: str, channels: int) -> Voice:
    return parse(f"/v1/rooms/r/speakers/s/audio?codec={codec}&sample_rate=48000&channels={channels}")


def opus_packets(milliseconds: str, application: str) -> list[bytes]:
    """One second of noise."""
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = 48_000, "mono", "s16"
    codec.options = {"frame_duration": milliseconds, "application": application}
    codec.open()
    frame = av.AudioFrame.from_ndarray(
        np.random.default_rng(0).integers(-9_000, 9_000, (1, 48_000), dtype=np.int16), format="s16", layout="mono"
    )
    frame.sample_rate = 48_000
    fifo = av.AudioFifo()
    fifo.write(frame)
    packets = []
    while part := fifo.read(codec.frame_size):
        packets += [bytes(packet) for packet in codec.encode(part)]
    return packets


@pytest.mark.parametrize("application", ["voip", "audio", "lowdelay"])
@pytest.mark.parametrize("milliseconds", ["2.5", "5", "10", "20", "40", "60"])
def test_opus_packets_of_a_real_encoder(milliseconds: str, application: str) -> None:
    packets = opus_packets(milliseconds, application)
    assert len(packets) > 10
    assert {opus_samples(packet) for packet in packets} == {round(float(milliseconds) * 48)}


@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        (bytes([0 << 3]), 480),  # SILK 10 ms, one frame
        (bytes([3 << 3 | 1]), 5_760),  # SILK 60 ms, two equal frames
        (bytes([15 << 3 | 2]), 1_920),  # hybrid 20 ms, two frames
        (bytes([31 << 3 | 3, 6]), 5_760),  # CELT 20 ms, six frames
        (bytes([28 << 3 | 3, 0x80 | 0x40 | 48]), 5_760),  # CELT 2.5 ms, 48 frames, variable size, padded
    ],
)
def test_opus_frame_counts(packet: bytes, samples: int) -> None:
    assert opus_samples(packet) == samples


@pytest.mark.parametrize("packet", [b"", bytes([3]), bytes([3, 0]), bytes([31 << 3 | 3, 7])])
def test_what_is_no_opus_packet(packet: bytes) -> None:
    with pytest.raises(InputError):
        opus_samples(packet)


@given(st.binary(max_size=8))
def test_any_bytes_are_a_packet_or_an_input_error(packet: bytes) -> None:
    try:
        assert 0 < opus_samples(packet) <= 5_760
    except InputError:
        return


@given(st.integers(0, 500), st.sampled_from([("pcm_s16le", 2), ("pcm_f32le", 4)]), st.integers(1, 8))
def test_pcm_is_whole_samples_of_all_channels(count: int, codec: tuple[str, int], channels: int) -> None:
    name, width = codec
    assert samples_in(bytes(count * width * channels), pcm(name, channels)) == count
    with pytest.raises(InputError, match="whole samples"):
        samples_in(bytes(count * width * channels + 1), pcm(name, channels))
