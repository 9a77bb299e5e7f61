from collections.abc import Iterator
from contextlib import suppress

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import BadMessage, VoxwardenError
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, Codec
from pipeline.speech.audio.encode import to_pcm16
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.stream_codecs import join_packets
from pipeline.speech.audio.stream_decoder import StreamDecoder
from tests.odd import recordings
from tests.pipeline.speech.audio.sound import clip, recording


def chunk(data: bytes, codec: Codec = "pcm_s16le", rate: int = SAMPLE_RATE, channels: int = 1) -> AudioChunk:
    return AudioChunk(
        room="lobby", speaker="ann", start=0, sequence=7, codec=codec, sample_rate=rate, channels=channels, data=data
    )


def opus_packets(samples: Samples, layout: str) -> Iterator[bytes]:
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = SAMPLE_RATE, layout, "s16"
    spread = av.AudioResampler(format="s16", layout=layout, rate=SAMPLE_RATE)
    frame = av.AudioFrame.from_ndarray(np.frombuffer(to_pcm16(samples), "<i2")[None], format="s16", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    for piece in spread.resample(frame):
        yield from (bytes(packet) for packet in encoder.encode(piece))
    yield from (bytes(packet) for packet in encoder.encode(None))


def test_pcm_at_16_khz_is_unchanged() -> None:
    speech = clip("tt-weasels")
    assert np.array_equal(StreamDecoder().decode(chunk(to_pcm16(speech))), speech)
    assert np.array_equal(StreamDecoder().decode(chunk(speech.tobytes(), "pcm_f32le")), speech)


def test_channels_of_pcm_are_averaged() -> None:
    frames = np.array([[0.5, 0.25], [-0.5, 0.0]], np.float32)
    assert StreamDecoder().decode(chunk(frames.tobytes(), "pcm_f32le", channels=2)).tolist() == [0.375, -0.25]


@pytest.mark.parametrize(("layout", "channels"), [("mono", 1), ("stereo", 2)])
def test_opus_packets_are_decoded(layout: str, channels: int) -> None:
    decoder, speech = StreamDecoder(), clip("tt-weasels")
    packets = [chunk(data, "opus", 48_000, channels) for data in opus_packets(speech, layout)]
    heard = np.concatenate([*map(decoder.decode, packets), decoder.flush()])
    assert heard.size == pytest.approx(speech.size, abs=0.05 * SAMPLE_RATE)
    delays = range(800)
    size = speech.size - 1_600
    assert max(np.corrcoef(speech[:size], heard[lag : lag + size])[0, 1] for lag in delays) > 0.9


def test_joined_opus_packets_give_the_same_speech() -> None:
    one, joined = StreamDecoder(), StreamDecoder()
    packets = list(opus_packets(clip("tt-weasels"), "mono"))
    apart = [one.decode(chunk(data, "opus", 48_000)) for data in packets]
    tens = [join_packets(packets[at : at + 10]) for at in range(0, len(packets), 10)]
    together = [joined.decode(chunk(data, "opus_packets", 48_000)) for data in tens]
    assert np.array_equal(np.concatenate([*apart, one.flush()]), np.concatenate([*together, joined.flush()]))


def test_a_chunk_may_be_a_whole_recording() -> None:
    data = recording(clip("tt-weasels"), "ogg", "libopus", 48_000)
    heard = StreamDecoder().decode(chunk(data, "container"))
    assert heard.size == pytest.approx(clip("tt-weasels").size, abs=0.05 * SAMPLE_RATE)


def test_a_recording_is_decoded_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    data = recording(clip("tt-weasels"), "flac", "flac")
    monkeypatch.delattr(av, "open")  # a fault of the decoder here would end the stage
    assert StreamDecoder().decode(chunk(data, "container")).size == clip("tt-weasels").size


def test_channels_of_a_recording_do_not_cancel_each_other() -> None:
    speech = clip("tt-weasels")
    heard = StreamDecoder().decode(chunk(recordings.wav(speech, -speech), "container"))
    assert np.abs(heard).max() > 0.5 * np.abs(speech).max()


def test_samples_of_a_recording_that_are_no_numbers_are_counted_and_the_others_heard() -> None:
    decoder, speech = StreamDecoder(), clip("tt-weasels").copy()
    speech[:7] = np.nan
    heard = decoder.decode(chunk(recordings._floats(speech), "container"))
    assert (decoder.not_numbers, heard.size) == (7, speech.size)
    assert np.array_equal(heard[7:], speech[7:])


def test_a_speaker_may_change_the_sample_rate() -> None:
    decoder = StreamDecoder()
    one = decoder.decode(chunk(bytes(2 * 48_000), rate=48_000))
    two = decoder.decode(chunk(bytes(2 * 8_000), rate=8_000))
    assert one.size + two.size + decoder.flush().size == 2 * SAMPLE_RATE


def test_nan_becomes_silence_and_is_counted() -> None:
    decoder = StreamDecoder()
    pcm = np.array([0.5, np.nan, np.inf, -0.5], np.float32)
    assert decoder.decode(chunk(pcm.tobytes(), "pcm_f32le")).tolist() == [0.5, 0, 0, -0.5]
    assert decoder.not_numbers == 2


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (chunk(b"odd"), "3 bytes of pcm_s16le"),
        (chunk(bytes(6), channels=2), "not a whole number of 2-channel samples"),
        (chunk(bytes(6), "pcm_f32le"), "6 bytes of pcm_f32le"),
        (chunk(b"\x00" * 9, "opus", 44_100), "Opus with 44100 Hz"),
        (chunk(b"\x00" * 9, "opus", 48_000, 3), "and 3 channels"),
        (chunk(b"hello", "container"), "cannot be read as audio"),
        (chunk(b"hello", "speex"), "unknown codec 'speex'"),  # type: ignore[arg-type]
    ],
)
def test_the_error_names_a_bad_chunk_and_later_chunks_are_decoded(bad: AudioChunk, says: str) -> None:
    decoder = StreamDecoder()
    with pytest.raises(BadMessage, match=f"Chunk 7 at .* {says}") as raised:
        decoder.decode(bad)
    assert not {"ann", "lobby"} & set(str(raised.value).split())
    assert decoder.decode(chunk(to_pcm16(clip("tt-weasels")))).size == clip("tt-weasels").size


@pytest.mark.parametrize(
    ("bad", "samples"), [(b"\xff" * 9, 960), (b"\x0b", 960), (b"\x1b\x00", 960), (b"\x38" + b"\xff" * 2_000, 2_880)]
)
def test_a_packet_that_cannot_be_decoded_becomes_silence(bad: bytes, samples: int) -> None:
    """The silence has the packet's stated length. Without one, it has the length of the packet before, or 20 ms."""
    decoder = StreamDecoder()
    heard = np.concatenate([decoder.decode(chunk(bad, "opus", 48_000)), decoder.flush()])
    assert decoder.concealed == 1
    assert not heard.any()
    assert heard.size == pytest.approx(samples / 3, abs=1)


def test_speech_with_bad_packets_keeps_its_time() -> None:
    packets = list(opus_packets(clip("tt-weasels"), "mono"))
    hurt = [b"\xff" * 9 if number % 10 == 3 else packet for number, packet in enumerate(packets)]
    decoder = StreamDecoder()
    heard = np.concatenate([decoder.decode(chunk(join_packets(hurt), "opus_packets", 48_000)), decoder.flush()])
    whole = StreamDecoder()
    expected = np.concatenate([whole.decode(chunk(join_packets(packets), "opus_packets", 48_000)), whole.flush()])
    assert decoder.concealed == len(range(3, len(packets), 10))
    assert heard.size == expected.size
    assert np.corrcoef(heard, expected)[0, 1] > 0.8


def test_a_chunk_may_be_empty() -> None:
    assert StreamDecoder().decode(chunk(b"")).size == 0


@given(
    st.lists(
        st.builds(
            chunk,
            st.binary(max_size=300),
            st.sampled_from(["pcm_s16le", "pcm_f32le", "opus", "opus_packets", "container"]),
            st.sampled_from([8_000, 16_000, 44_100, 48_000, 192_000]),
            st.integers(1, 32),
        ),
        max_size=6,
    )
)
def test_any_bytes_are_decoded_or_refused(stream: list[AudioChunk]) -> None:
    decoder = StreamDecoder()
    for each in stream:
        with suppress(VoxwardenError):
            assert np.isfinite(decoder.decode(each)).all()
    assert np.isfinite(decoder.flush()).all()
