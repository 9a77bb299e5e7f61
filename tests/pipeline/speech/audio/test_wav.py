"""WAV files whose samples are larger than their valid bits."""

import io
import struct

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.base.errors import AudioError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.decode import read_bytes
from pipeline.speech.audio.wav import EXTENSIBLE, FLOAT, PCM, patched
from tests.pipeline.speech.audio.sound import clip

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
    assert heard == pytest.approx(clip("tt-weasels"), abs=2**-5)
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
