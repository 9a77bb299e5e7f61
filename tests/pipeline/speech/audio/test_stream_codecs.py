"""Joined packets are split into the same packets, other data is refused, and each list of packets has one encoding."""

import av
import numpy as np
import pytest
from av.error import FFmpegError
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.base.errors import BadMessage, InputError
from pipeline.contract.messages import StreamCodec
from pipeline.speech.audio.stream_codecs import MAX_PACKETS, checked_samples, join_packets, samples_in, split_packets


@given(st.lists(st.binary(min_size=1, max_size=1_300), max_size=20))
def test_joined_packets_are_split_into_the_same_packets(packets: list[bytes]) -> None:
    assert split_packets(join_packets(packets)) == packets


@given(st.lists(st.integers(0, 4), max_size=30).map(bytes) | st.binary(max_size=300))
def test_any_bytes_are_joined_packets_or_are_refused(data: bytes) -> None:
    try:
        packets = split_packets(data)
    except BadMessage:
        return
    assert all(packets)
    assert join_packets(packets) == data


@pytest.mark.parametrize("data", [b"\0", b"\0\0", b"\0\2x", b"\0\1x\0", join_packets([b"x"] * (MAX_PACKETS + 1))])
def test_packets_that_are_cut_off_or_empty_or_too_many_are_refused(data: bytes) -> None:
    with pytest.raises(BadMessage, match="are cut off"):
        split_packets(data)


def test_the_maximum_number_and_size_of_packets_fit() -> None:
    assert len(split_packets(join_packets([b"x"] * MAX_PACKETS))) == MAX_PACKETS
    assert split_packets(join_packets([bytes(65_535)])) == [bytes(65_535)]


def opus_packets(milliseconds: str, application: str) -> list[bytes]:
    """Return the packets of one second of noise."""
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
def test_packets_of_a_real_encoder_pass(milliseconds: str, application: str) -> None:
    packets = opus_packets(milliseconds, application)
    assert len(packets) > 10
    assert {checked_samples(packet) for packet in packets} == {round(float(milliseconds) * 48)}


@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        (bytes([0 << 3]), 480),  # SILK 10 ms, one frame
        (bytes([3 << 3 | 1]), 5_760),  # SILK 60 ms, two equal frames
        (bytes([15 << 3 | 2, 0]), 1_920),  # hybrid 20 ms, two frames, the first without bytes
        (bytes([15 << 3 | 2, 252, 0]) + bytes(252), 1_920),  # the first of 252 bytes
        (bytes([31 << 3 | 3, 6]), 5_760),  # CELT 20 ms, six frames
        (bytes([28 << 3 | 3, 0x80 | 0x40 | 48, 3]) + bytes(47 + 3), 5_760),  # CELT 2.5 ms, 48, variable, padded
        (bytes([31 << 3 | 3, 0x40 | 1, 255, 1]) + bytes(255), 960),  # padding of 254 and 1 bytes
    ],
)
def test_packets_of_every_structure_have_the_right_samples(packet: bytes, samples: int) -> None:
    assert checked_samples(packet) == samples


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        bytes([3]),  # no frame count
        bytes([3, 0]),  # no frames
        bytes([31 << 3 | 3, 7]),  # 140 ms
        bytes([1, 0]),  # two equal frames in one byte
        bytes([2]),  # no length
        bytes([2, 252]),  # half a length
        bytes([2, 2, 0]),  # longer than the packet
        bytes([3, 2, 0]),  # two equal frames in one byte
        bytes([3, 0x82, 5, 0]),  # longer than the packet
        bytes([3, 0x41]),  # no padding length
        bytes([3, 0x41, 255]),  # half a padding length
        bytes([3, 0x41, 1]),  # more padding than bytes
        bytes([0]) + bytes(1_276),  # a frame that is too large
    ],
)
def test_broken_packets_are_refused(packet: bytes) -> None:
    with pytest.raises(InputError):
        checked_samples(packet)


TOC = st.integers(0, 255).map(lambda byte: bytes([byte]))
COUNT = st.integers(0, 255).map(lambda byte: bytes([byte]))
LENGTHS = st.lists(st.sampled_from([0, 1, 2, 5, 251, 252, 253, 254, 255]), max_size=6).map(bytes)
BODIES = st.integers(0, 1_400).map(bytes)


@settings(max_examples=500)
@given(st.one_of(st.binary(max_size=40), st.builds(lambda *parts: b"".join(parts), TOC, COUNT, LENGTHS, BODIES)))
def test_the_check_agrees_with_libopus(packet: bytes) -> None:
    """For any bytes, libopus decodes as many samples as the check reports, or both refuse them."""
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = 48_000, "mono"
    try:
        decoded = sum(frame.samples for frame in decoder.decode(av.Packet(packet))) if packet else 0
    except FFmpegError:
        decoded = 0
    try:
        told = checked_samples(packet)
    except InputError:
        told = 0
    assert told == decoded


WIDTHS: list[tuple[StreamCodec, int]] = [("pcm_s16le", 2), ("pcm_f32le", 4)]


@given(st.integers(0, 500), st.sampled_from(WIDTHS), st.integers(1, 8))
def test_a_pcm_frame_holds_whole_samples_of_all_channels(
    count: int, codec: tuple[StreamCodec, int], channels: int
) -> None:
    name, width = codec
    assert samples_in(bytes(count * width * channels), name, channels) == count
    with pytest.raises(InputError, match="whole samples"):
        samples_in(bytes(count * width * channels + 1), name, channels)
