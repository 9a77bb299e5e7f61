"""The file of a fingerprint.

It has a header, the description (MessagePack), the hashes and the frames of the landmarks (32 bits each), all
little-endian. The header has a name that includes the version, the sizes, and CRC-32 checksums of both parts. So a
description can be read without the landmarks, and an incomplete or changed file is found.
"""

import struct
from typing import BinaryIO
from zlib import crc32

import msgspec
import numpy as np

from pipeline.errors import InputError
from pipeline.sound.fingerprints.fingerprint import LEAST_LANDMARKS, MAX_LANDMARKS, BannedRecording, Fingerprint
from pipeline.sound.fingerprints.landmarks import HASHES, Landmarks
from pipeline.sound.fingerprints.spectrum import FRAME_SECONDS

MAGIC = b"VWPRINT1"
HEAD = struct.Struct("<8sIIII")
"""MAGIC, bytes of the description, number of landmarks, and the checksums of both parts."""
MAX_DESCRIPTION = 16_384


def pack(made: Fingerprint) -> bytes:
    """The content of the file."""
    description = msgspec.msgpack.encode(made.recording)
    marks = b"".join(part.astype("<u4").tobytes() for part in made.landmarks)
    head = HEAD.pack(MAGIC, len(description), made.landmarks.hashes.size, crc32(description), crc32(marks))
    return head + description + marks


def describe(file: BinaryIO, name: str) -> BannedRecording:
    """The description alone. `name` is the id. Raises InputError if the file is damaged."""
    return _described(file, name)[0]


def read(file: BinaryIO, name: str) -> Fingerprint:
    """The whole fingerprint. `name` is the id. Raises InputError if the file is damaged."""
    recording, count, checksum = _described(file, name)
    hashes, frames = np.frombuffer(_part(file, 8 * count, checksum, name), "<u4").astype(np.int64).reshape(2, -1)
    if hashes.max() >= HASHES or frames.max() * FRAME_SECONDS > recording.seconds:
        raise _damaged(name, "it has impossible landmarks")
    return Fingerprint(name, recording, Landmarks(hashes, frames))


def _described(file: BinaryIO, name: str) -> tuple[BannedRecording, int, int]:
    """The description, and the number and the checksum of the landmarks. Leaves the file position at these."""
    head = file.read(HEAD.size)
    if len(head) < HEAD.size or not head.startswith(MAGIC):
        raise _damaged(name, "it is no fingerprint of this version")
    _, size, count, checksum, marks_checksum = HEAD.unpack(head)
    if size > MAX_DESCRIPTION or not LEAST_LANDMARKS <= count <= MAX_LANDMARKS:
        raise _damaged(name, "its header is wrong")
    description = _part(file, size, checksum, name)
    try:
        return msgspec.msgpack.decode(description, type=BannedRecording), count, marks_checksum
    except msgspec.MsgspecError as error:
        raise _damaged(name, f"its description is wrong: {error}") from error


def _part(file: BinaryIO, size: int, checksum: int, name: str) -> bytes:
    content = file.read(size)
    if len(content) < size or crc32(content) != checksum:
        raise _damaged(name, "a part is missing or has changed")
    return content


def _damaged(name: str, why: str) -> InputError:
    remedy = f"Remove it with `voxwarden fingerprints remove {name}`, and add the recording again."
    return InputError(f"The fingerprint {name} is damaged: {why}", remedy)
