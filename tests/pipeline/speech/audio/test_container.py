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
from numpy.typing import NDArray

from pipeline.base.errors import AudioError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.container import (
    EXTENSIBLE,
    FLOAT,
    FORMATS,
    MAIN,
    MAX_CHANNELS,
    MAX_OFFSET,
    PCM,
    DecodeTally,
    Part,
    audible,
    decoded,
    frames,
    in_blocks,
    opened,
    patched,
    shortfall,
)
from pipeline.speech.audio.decode import read_bytes, read_file
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
            (heard,) = np.concatenate([*decoded(container, "it", DecodeTally(), [part])], axis=1)
        assert np.abs(heard - wanted).max() <= 2 / 32_768


def test_a_recording_with_too_many_channels_is_refused_by_their_number() -> None:
    data = wav(bytes(66_000), 16, 2, channels=MAX_CHANNELS + 1)
    with pytest.raises(AudioError, match="it has 33 channels of audio, more than 32"):
        opened(io.BytesIO(data), "it")


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(1, 30))
def test_blocks_hold_all_samples_in_order_and_only_the_last_is_shorter(pieces: list[int], size: int) -> None:
    samples = np.arange(sum(pieces), dtype=np.float32)
    tally = DecodeTally()
    rows = (piece[None] for piece in np.split(samples, np.cumsum(pieces[:-1], dtype=int)))
    blocks = [block[0] for block in in_blocks(rows, tally, size)]
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
        heard: list[Samples] = [piece[0] for piece in decoded(container, "it", tally)]
    assert speech.size // 3 < sum(each.size for each in heard) < speech.size
    assert tally.damaged


GUID = bytes.fromhex("000000001000800000aa00389b71")
"""The rest of the name of a format, after its number."""


def wav(data: bytes, bits: int, size: int, *, valid: int | None = None, kind: int = PCM, channels: int = 1) -> bytes:
    """A WAV file of samples of `size` bytes. Its header states `bits`, and `valid` bits if it is extensible."""
    number, align = kind if valid is None else EXTENSIBLE, channels * size
    fmt = struct.pack("<HHIIHH", number, channels, SAMPLE_RATE, SAMPLE_RATE * align, align, bits)
    if valid is not None:
        fmt += struct.pack("<HHIH", 22, valid, 0, kind) + GUID
    chunks = [(b"JUNK", b"odd"), (b"fmt ", fmt), (b"data", data)]
    parts = [struct.pack("<4sI", name, len(part)) + part + b"\0" * (len(part) % 2) for name, part in chunks]
    body = b"WAVE" + b"".join(parts)
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def integers(valid: int, size: int) -> bytes:
    """The clip as integers of `size` bytes, whose highest `valid` bits hold it."""
    whole = np.round(clip("tt-weasels") * (2 ** (valid - 1) - 1)).astype(np.int64) << (8 * size - valid)
    if size == 1:
        return bytes((whole + 128).astype(np.uint8))
    each: NDArray[np.uint8] = whole.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :size]
    return each.tobytes()


def check(data: bytes) -> None:
    heard, tally = read_bytes(data, "clip", 60)
    np.testing.assert_allclose(heard, clip("tt-weasels"), rtol=0, atol=2**-5)  # pytest.approx takes seconds
    assert tally.not_numbers == 0


@pytest.mark.parametrize(
    ("valid", "size"), [(24, 4), (20, 4), (16, 4), (12, 4), (20, 3), (16, 3), (12, 2), (8, 2), (7, 1), (32, 8), (24, 3)]
)
def test_whole_samples_are_read(valid: int, size: int) -> None:
    data = integers(valid, size)
    check(wav(data, valid, size))
    check(wav(data, valid, size, valid=valid))
    check(wav(data, 8 * size, size, valid=valid))


def test_samples_of_several_channels_are_read() -> None:
    stereo = np.repeat(np.frombuffer(integers(24, 4), "<i4"), 2).tobytes()
    check(wav(stereo, 32, 4, valid=24, channels=2))


def test_floats_are_read() -> None:
    samples = clip("tt-weasels")
    check(wav(samples.astype("<f4").tobytes(), 32, 4, kind=FLOAT, valid=32))
    check(wav(samples.astype("<f4").tobytes(), 32, 4, kind=FLOAT, valid=24))
    check(wav(samples.astype("<f8").tobytes(), 64, 8, kind=FLOAT))


def test_old_floats_that_are_called_pcm_of_24_bits_are_read() -> None:
    silent = np.zeros(1 << 18, np.float32)
    check(wav((clip("tt-weasels") * 2**23).astype("<f4").tobytes(), 24, 4))
    heard, _ = read_bytes(wav(silent.tobytes() + integers(24, 4), 24, 4), "clip", 60)
    assert heard[silent.size :] == pytest.approx(clip("tt-weasels"), abs=2**-6)


def test_a_wrong_size_of_blocks_in_the_header_does_not_matter() -> None:
    whole = bytearray(wav(integers(16, 2), 16, 2))
    place = whole.index(b"fmt ") + 8 + 12
    whole[place : place + 2] = b"\x04\x00"
    check(bytes(whole))


@pytest.mark.parametrize(
    "data",
    [
        wav(bytes(6_000), 24, 6, valid=24),
        wav((np.sin(np.arange(9_000)) * 2**15).astype("<f4").tobytes(), 16, 4),
        wav(np.zeros(9_000, "<f2").tobytes(), 16, 2, kind=FLOAT),
    ],
)
def test_samples_that_cannot_be_read_are_an_error(data: bytes) -> None:
    with pytest.raises(AudioError, match="clip has"):
        read_bytes(data, "clip", 60)


def test_a_patch_does_not_depend_on_the_pieces_that_are_read() -> None:
    whole, patch = bytes(range(20)), {3: b"ab", 9: b"cd"}
    wanted = whole[:3] + b"ab" + whole[5:9] + b"cd" + whole[11:]
    for size in range(1, 21):
        file = io.BytesIO(whole)
        assert b"".join(patched(file.read(size), at, patch) for at in range(0, 20, size)) == wanted
