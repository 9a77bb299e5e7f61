"""A file of the bank is read as it was written. All other bytes are an error that names the remedy."""

import io
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.sound.fingerprints import printfile
from pipeline.sound.fingerprints.fingerprint import Fingerprint
from pipeline.sound.fingerprints.landmarks import HASHES
from pipeline.sound.fingerprints.printfile import HEAD, MAGIC
from tests.pipeline.sound.fingerprints.music import banned

CONTENT = printfile.pack(banned(1))


def read(content: bytes) -> Fingerprint:
    return printfile.read(io.BytesIO(content), "0123")


def test_a_fingerprint_is_read_as_it_was_written() -> None:
    found = read(CONTENT)
    assert found.recording == banned(1).recording
    assert found.landmarks.hashes.tolist() == banned(1).landmarks.hashes.tolist()
    assert found.landmarks.frames.tolist() == banned(1).landmarks.frames.tolist()


def test_the_description_is_read_without_the_landmarks() -> None:
    assert printfile.describe(io.BytesIO(CONTENT[:400]), "0123") == banned(1).recording


@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255))
def test_a_changed_byte_is_found(at: int, change: int) -> None:
    content = bytearray(CONTENT)
    content[at] ^= change
    with pytest.raises(InputError, match="Remove it with `voxwarden fingerprints remove 0123`"):
        read(bytes(content))


@given(st.integers(0, len(CONTENT) - 1))
def test_an_incomplete_file_is_found(size: int) -> None:
    with pytest.raises(InputError, match="The fingerprint 0123 is damaged"):
        read(CONTENT[:size])


@given(st.binary(max_size=200), st.integers(0, 300), st.integers(0, 2**32 - 1), st.binary(max_size=900))
def test_any_bytes_with_right_checksums_are_an_error(meta: bytes, size: int, count: int, marks: bytes) -> None:
    with pytest.raises(InputError, match="is damaged"):
        read(HEAD.pack(MAGIC, size, count, crc32(meta), crc32(marks)) + meta + marks)
    with pytest.raises(InputError, match="is damaged"):
        read(meta + marks)


def test_landmarks_beyond_the_recording_are_an_error() -> None:
    made = banned(1)
    short = made._replace(recording=msgspec.structs.replace(made.recording, seconds=3.0))
    hashes = made._replace(landmarks=made.landmarks._replace(hashes=made.landmarks.hashes + HASHES))
    for each in (short, hashes):
        with pytest.raises(InputError, match="impossible landmarks"):
            read(printfile.pack(each))
