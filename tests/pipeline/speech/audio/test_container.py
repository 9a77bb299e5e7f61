"""Files are opened by their content and decoded in bounded memory, and missing audio is told in words."""

import io
import struct
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import AudioError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.container import (
    FORMATS,
    MAIN,
    MAX_OFFSET,
    DecodeTally,
    Part,
    audible,
    decoded,
    frames,
    in_blocks,
    opened,
    seconds_of,
    shortfall,
)
from pipeline.speech.audio.decode import read_file
from pipeline.speech.audio.resample import RATES, Samples
from tests.pipeline.speech.audio.container_structure.files import length, made
from tests.pipeline.speech.audio.sound import clip, recording, silence


def told(data: bytes) -> tuple[str | None, DecodeTally]:
    """What `shortfall` says about a file, and the tally of its decoding."""
    tally = DecodeTally()
    with opened(io.BytesIO(data), "it") as container:
        for _ in in_blocks(decoded(container, "it", tally), tally):
            pass
        return shortfall(container, 0, data[:65_536], len(data), tally), tally


def test_a_playlist_cannot_open_other_files(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(made("wav"))
    for name, content in {
        "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nsecret.wav\n#EXT-X-ENDLIST\n",
        "list.ffconcat": "ffconcat version 1.0\nfile secret.wav\n",
    }.items():
        (path := tmp_path / name).write_text(content)
        with pytest.raises(AudioError, match="cannot be read as audio"):
            list(read_file(path))
    assert not {"hls", "concat", "dash", "sdp", "rtsp"} & set(FORMATS.split(","))


def test_a_long_file_is_never_in_memory_as_a_whole() -> None:
    """Blocks are returned while the source is still being read, with at most a few blocks read ahead."""
    source = io.BytesIO(recording(np.tile(clip("auth-incorrect"), 9), "wav", "pcm_s16le"))
    with opened(source, "long") as container:
        tally = DecodeTally()
        places = [source.tell() for _ in in_blocks(decoded(container, "long", tally), tally)]
    steps = [after - before for before, after in pairwise(places)]
    assert len(places) > 30
    assert max(steps) <= 4 * 2 * SAMPLE_RATE


def test_parts_have_readable_names() -> None:
    assert [part.of("speaker") for part in (MAIN, Part(1), Part(0, 5), Part(1, 0))] == [
        "speaker",
        "speaker, stream 2",
        "speaker, channel 6",
        "speaker, stream 2, channel 1",
    ]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"RIFF", "it cannot be read as audio"),
        (b"#EXTM3U\n#EXTINF:3,\n/etc/hostname\n", "it cannot be read as audio"),
        (bytes(5_000), "it cannot be read as audio"),
    ],
)
def test_the_error_names_data_that_is_no_audio(data: bytes, says: str) -> None:
    with pytest.raises(AudioError, match=says):
        opened(io.BytesIO(data), "it")


def test_a_film_without_sound_is_named() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        stream = output.add_stream("mpeg4", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        output.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        output.mux(stream.encode(None))
    with pytest.raises(AudioError, match="it has no audio stream"):
        opened(io.BytesIO(file.getvalue()), "it")


@pytest.mark.parametrize("rate", [RATES.start - 1, RATES.stop])
def test_a_sample_rate_from_a_broken_header_is_refused(rate: int) -> None:
    data = bytearray(made("wav"))
    at = data.index(b"fmt ") + 12
    data[at : at + 8] = struct.pack("<II", rate, 2 * rate)
    with opened(io.BytesIO(bytes(data)), "it") as container, pytest.raises(AudioError, match=f"rate of {rate} Hz"):
        list(frames(container, "it", DecodeTally()))


def test_one_channel_of_a_recording_is_heard_alone() -> None:
    """The left channel has speech, the right one silence."""
    left = clip("tt-weasels")[:SAMPLE_RATE]
    pcm = (np.stack([left, np.zeros_like(left)], axis=1) * 32_767).astype("<i2").tobytes()
    data = recording(silence(1), "wav", "pcm_s16le", layout="stereo")
    data = data[: len(data) - len(pcm)] + pcm
    for part, wanted in ((Part(), left / 2), (Part(0, 0), left), (Part(0, 1), np.zeros_like(left))):
        with opened(io.BytesIO(data), "it") as container:
            heard = np.concatenate([*decoded(container, "it", DecodeTally(), part)])
        assert np.abs(heard - wanted).max() <= 2 / 32_768


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(1, 30))
def test_blocks_hold_all_samples_in_order_and_only_the_last_is_shorter(pieces: list[int], size: int) -> None:
    samples = np.arange(sum(pieces), dtype=np.float32)
    tally = DecodeTally()
    blocks = list(in_blocks(iter(np.split(samples, np.cumsum(pieces[:-1], dtype=int))), tally, size))
    assert np.array_equal(np.concatenate([samples[:0], *blocks]), samples)
    assert tally.samples == samples.size
    assert all(block.size == size for block in blocks[:-1])
    assert all(0 < block.size <= size for block in blocks)


@given(st.floats(-1, 1, width=32), st.floats(0, 100))
def test_a_block_keeps_its_sound_without_offset_and_within_full_scale(offset: float, gain: float) -> None:
    tone = np.sin(np.arange(1_600, dtype=np.float32)) / 4
    block = (tone + np.float32(offset)).clip(-1, 1)
    heard = audible(block, gain)
    assert np.abs(heard).max() <= 1
    if gain == 1 and abs(block.mean()) < MAX_OFFSET:
        assert np.array_equal(heard, block)
    if gain <= 1:
        assert abs(heard.mean()) <= max(MAX_OFFSET, 1e-6)


def test_a_dip_in_a_block_with_an_offset_stays_within_full_scale() -> None:
    block = np.full(1_600, 0.9, np.float32)
    block[7] = -1
    assert audible(block, 1).min() == -1


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "m4a", "webm", "aiff", "ogg"])
def test_nothing_is_missing_in_a_whole_file(kind: str) -> None:
    missing, tally = told(made(kind))
    assert missing is None
    assert tally.samples / SAMPLE_RATE == pytest.approx(length("tt-weasels"), abs=0.1)
    assert tally.damaged == tally.not_numbers == 0
    assert tally.channels == {1}
    assert 0 < tally.last.start < tally.last.stop <= len(made(kind))


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "webm", "aiff"])
def test_the_missing_seconds_of_a_file_that_is_cut_off_are_told(kind: str) -> None:
    missing, tally = told(made(kind)[: len(made(kind)) // 2])
    assert missing is not None
    lacks, whole = (float(word) for word in missing.split() if word[0].isdigit())
    assert whole == pytest.approx(length("tt-weasels"), abs=0.1)
    assert lacks == pytest.approx(whole - tally.samples / SAMPLE_RATE, abs=0.02)


def test_the_stated_length_is_known_before_decoding() -> None:
    with opened(io.BytesIO(made("flac")), "it") as container:
        assert seconds_of(container) == pytest.approx(length("tt-weasels"), abs=0.001)


def test_a_disk_that_fails_while_reading_counts_as_damage() -> None:
    speech = np.tile(clip("tt-weasels"), 8)
    whole = recording(speech, "wav", "pcm_s16le")

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > len(whole) // 2:
                raise OSError("the disk is gone")
            return super().read(size)

    tally = DecodeTally()
    with opened(Failing(whole), "it") as container:
        heard: list[Samples] = list(decoded(container, "it", tally))
    assert speech.size // 3 < sum(each.size for each in heard) < speech.size
    assert tally.damaged
