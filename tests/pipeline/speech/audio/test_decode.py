import tempfile
import wave
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import AudioError, VoxwardenError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.container import Part
from pipeline.speech.audio.decode import duration_of, read_bytes, read_file, read_stream, samples_of
from pipeline.speech.audio.resample import Samples
from tests.pipeline.speech.audio.sound import clip, recording, silence, until_error

KINDS = {
    "wav": ("wav", "pcm_s16le", 44_100, "stereo"),
    "wav 8 bit": ("wav", "pcm_u8", 8_000, "mono"),
    "wav 24 bit": ("wav", "pcm_s24le", 48_000, "stereo"),
    "wav 64-bit float": ("wav", "pcm_f64le", 16_000, "mono"),
    "wav 8 channels": ("wav", "pcm_s16le", 48_000, "7.1"),
    "flac": ("flac", "flac", 44_100, "stereo"),
    "mp3": ("mp3", "libmp3lame", 44_100, "stereo"),
    "ogg opus": ("ogg", "libopus", 48_000, "stereo"),
    "m4a": ("ipod", "aac", 44_100, "stereo"),
    "webm": ("webm", "libopus", 48_000, "mono"),
    "aac": ("adts", "aac", 44_100, "mono"),
    "aiff": ("aiff", "pcm_s16be", 22_050, "mono"),
    **{f"ogg opus {layout}": ("ogg", "libopus", 48_000, layout) for layout in ("quad", "6.1", "7.1")},
    **{f"aac {layout}": ("adts", "aac", 48_000, layout) for layout in ("7.1", "hexadecagonal")},
    "m4a alac 8 channels": ("ipod", "alac", 48_000, "7.1(wide)"),
    **{f"wavpack {layout}": ("wv", "wavpack", 48_000, layout) for layout in ("6.1", "7.1", "7.1.4", "22.2")},
}
CUT_SHORT = ["wav", "wav 8 channels", "flac", "mp3", "ogg opus", "webm", "aac", "aiff"]


def made(kind: str, name: str = "tt-weasels") -> bytes:
    return recording(clip(name), *KINDS[kind])


def similarity(one: Samples, other: Samples) -> float:
    """The highest correlation over shifts of up to 100 ms, because encoders add a delay."""
    size = min(one.size, other.size) - 3_200
    one, other = one[:size], other[: size + 3_200]
    energy = np.convolve(np.square(other), np.ones(size, np.float32), "valid") * np.square(one).sum()
    return float((np.correlate(other, one, "valid") / np.sqrt(energy)).max())


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_the_same_speech(kind: str) -> None:
    samples, tally = read_bytes(made(kind), kind, 60)
    assert samples.dtype == np.float32
    assert samples.size == pytest.approx(clip("tt-weasels").size, abs=0.1 * SAMPLE_RATE)
    assert similarity(clip("tt-weasels"), np.concatenate([samples, silence(0.2)])) > 0.95
    assert tally.damaged == 0


def uploaded(data: bytes) -> BinaryIO:
    """A file as the console gets it: a small one is in memory."""
    file = tempfile.SpooledTemporaryFile(max_size=1 << 20)  # noqa: SIM115
    file.write(data)
    file.seek(0)
    return cast(BinaryIO, file)


def test_an_open_file_is_read_as_a_path_is() -> None:
    data = recording(clip("sense-and-sensibility"), "mp3", "libmp3lame")
    whole, _ = read_bytes(data, "clip", 60)
    with uploaded(data) as file:
        assert np.array_equal(np.concatenate([*read_stream(file, len(data), "clip")]), whole)
    with uploaded(data[:-9_000]) as file, pytest.raises(AudioError, match="clip is incomplete"):
        deque(read_stream(file, len(data) - 9_000, "clip"), maxlen=0)


def test_a_wrong_extension_does_not_matter(tmp_path: Path) -> None:
    (path := tmp_path / "really-flac.mp3").write_bytes(made("flac"))
    assert sum(block.size for block in read_file(path)) == pytest.approx(clip("tt-weasels").size, abs=16)


def test_the_stated_duration_matches_the_decoded_audio(tmp_path: Path) -> None:
    for kind in ("wav", "flac", "mp3", "webm"):
        (path := tmp_path / "clip").write_bytes(made(kind))
        assert duration_of(path) == pytest.approx(clip("tt-weasels").size / SAMPLE_RATE, abs=0.1)
    assert duration_of(tmp_path / "missing") is None


@pytest.mark.parametrize("kind", CUT_SHORT)
def test_a_truncated_file_gives_its_good_part_and_then_an_error(kind: str, tmp_path: Path) -> None:
    whole = made(kind, "auth-incorrect")
    (path := tmp_path / "cut").write_bytes(whole[: len(whole) * 6 // 10])
    heard, error = until_error(read_file(path))
    assert "cut is incomplete" in str(error) or "cut is damaged" in str(error) or "cut was not decoded" in str(error)
    assert heard.size > 0.4 * clip("auth-incorrect").size
    assert similarity(clip("auth-incorrect"), np.concatenate([heard, silence(0.2)])) > 0.95


def test_an_m4a_without_its_index_is_refused(tmp_path: Path) -> None:
    (path := tmp_path / "cut.m4a").write_bytes(made("m4a")[:-2_000])
    with pytest.raises(AudioError, match=r"cut\.m4a cannot be read as audio.*index is missing"):
        list(read_file(path))


def test_damage_in_the_middle_is_skipped_and_reported(tmp_path: Path) -> None:
    damaged = bytearray(made("flac"))
    damaged[len(damaged) // 2 : len(damaged) // 2 + 400] = bytes(400)
    (path := tmp_path / "x.flac").write_bytes(damaged)
    heard, error = until_error(read_file(path))
    assert "x.flac is incomplete" in str(error)
    assert heard.size > 0.8 * clip("tt-weasels").size


def streamed_wav(size: int) -> bytes:
    """A WAV from a program that did not know the length when it wrote the header."""
    data = made("wav")
    at = data.index(b"data")
    stated = size.to_bytes(4, "little")
    return data[:4] + stated + data[8 : at + 4] + stated + data[at + 8 :]


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0x7FFF_FFFF])
def test_a_wav_of_unknown_length_is_complete(size: int) -> None:
    samples, _ = read_bytes(streamed_wav(size), "streamed", 60)
    assert samples.size == pytest.approx(clip("tt-weasels").size, abs=16)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = clip("tt-weasels")[:16_000], clip("vm-newuser")[:16_000]
    with wave.open(str(tmp_path / "two.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.stack([left, right], axis=1) * 32_768).astype("<i2").tobytes())
    (block,) = read_file(tmp_path / "two.wav")
    assert block == pytest.approx((left + right) / 2, abs=2 / 32_768)


def test_nan_and_infinity_become_silence_and_an_error(tmp_path: Path) -> None:
    samples = clip("tt-weasels").copy()
    samples[100:110] = np.nan
    samples[200:205] = np.inf
    data = recording(silence(samples.size / SAMPLE_RATE), "wav", "pcm_f32le")
    (path := tmp_path / "nan.wav").write_bytes(data[: len(data) - samples.nbytes] + samples.tobytes())
    heard, error = until_error(read_file(path))
    assert (heard[100:110] == 0).all()
    assert (heard[200:205] == 0).all()
    assert (heard[300:] == samples[300:]).all()
    assert "15 samples that are NaN or infinite" in str(error)


def test_a_channel_that_ends_is_an_error(tmp_path: Path) -> None:
    (path := tmp_path / "two.aac").write_bytes(made("aac 7.1") + made("aac"))
    heard, error = until_error(read_file(path, Part(channel=7)))
    assert heard.size == pytest.approx(clip("tt-weasels").size, abs=0.1 * SAMPLE_RATE)
    assert "changes its number of channels" in str(error)


def test_silence_is_audio(tmp_path: Path) -> None:
    (path := tmp_path / "silent.wav").write_bytes(recording(silence(2), "wav", "pcm_s16le"))
    assert not samples_of(path).any()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"bad is empty \(0 bytes\)"),
        (b"minutes of the meeting\n" * 100, "bad cannot be read as audio"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "bad cannot be read as audio"),
        (recording(silence(1), "wav", "pcm_s16le")[:44], "bad (has no samples|is incomplete|cannot be read)"),
    ],
)
def test_the_error_names_a_file_that_is_not_audio(content: bytes, says: str, tmp_path: Path) -> None:
    (path := tmp_path / "bad").write_bytes(content)
    with pytest.raises(AudioError, match=says):
        list(read_file(path))


def test_the_error_names_a_path_that_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"There is no file .*missing"):
        next(read_file(tmp_path / "missing"))
    with pytest.raises(AudioError, match="is a folder"):
        next(read_file(tmp_path))
    with pytest.raises(AudioError, match="cannot be opened"):
        next(read_file(tmp_path / ("x" * 300)))


def test_hours_of_silence_in_a_small_recording_are_refused() -> None:
    bomb = recording(silence(120), "flac", "flac")
    assert len(bomb) < 40_000
    with pytest.raises(AudioError, match="bomb is longer than 60 s"):
        read_bytes(bomb, "bomb", 60)


@given(st.binary(max_size=2_000))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    with suppress(VoxwardenError):
        samples, _ = read_bytes(data, "fuzz", 60)
        assert np.isfinite(samples).all()


@given(
    st.sampled_from(["wav", "wav 8 channels", "flac", "mp3", "ogg opus", "m4a", "webm"]).map(made),
    st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.integers(0, 255)), max_size=20),
    st.floats(0.01, 1),
)
def test_any_damage_to_a_recording_gives_audio_or_an_audio_error(
    whole: bytes, hits: list[tuple[float, bool, int]], kept: float
) -> None:
    data = bytearray(whole)
    for place, in_head, value in hits:
        data[int(place * (min(400, len(data)) - 1 if in_head else len(data) - 1))] = value
    with suppress(VoxwardenError):
        samples, _ = read_bytes(bytes(data[: int(len(data) * kept)]), "fuzz", 60)
        assert np.isfinite(samples).all()
