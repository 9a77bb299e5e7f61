"""The benchmark of the gateway sends what an app sends."""

from agents.gateway.wire import whole_frames
from benchmarks.opus_client import packets
from pipeline.speech.audio.stream_codecs import checked_samples


def test_each_frame_is_a_packet_of_20_ms() -> None:
    frames = packets()
    messages, taken = whole_frames(b"".join(frames), 1_275)
    assert taken == sum(map(len, frames))
    assert len(messages) == len(frames) > 50 * 60
    assert {checked_samples(message) for message in messages} == {960}
