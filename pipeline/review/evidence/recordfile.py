"""The record format of the look-back and of the journal.

A file is a sequence of records. A record has three parts: a header of 16 bytes (the lengths and CRC-32 checksums of the
other parts, big-endian), the message without its audio (MessagePack), and the audio. An index can be read without the
audio. The checksums show an incomplete record at the end of a file.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, TypeVar
from zlib import crc32

import msgspec

from pipeline.contract.messages import AudioChunk, Sound, Utterance

M = TypeVar("M", bound=Utterance | Sound | AudioChunk)

HEAD = struct.Struct(">IIII")
MAX_META = 65_536
MAX_AUDIO = 67_108_864
"""Maximum bytes of the two parts. A header with larger lengths is not a header."""


def pack_record(message: Utterance | Sound | AudioChunk) -> bytes:
    """The record of `message`, in bytes. Raises ValueError if the message is too large."""
    audio = message.data
    meta = msgspec.msgpack.encode(msgspec.structs.replace(message, data=b""))
    if len(meta) > MAX_META or len(audio) > MAX_AUDIO:
        raise ValueError(f"A message of {len(meta)} + {len(audio)} bytes does not fit into a record")
    return HEAD.pack(len(meta), len(audio), crc32(meta), crc32(audio)) + meta + audio


def read_record(file: BinaryIO, offset: int, kind: type[M]) -> M | None:
    """The message of the record at `offset`, with its audio. None if there is no complete record."""
    found = _meta(file, offset, kind)
    if found is None:
        return None
    message, size, checksum = found
    audio = file.read(size)
    if len(audio) != size or crc32(audio) != checksum:
        return None
    return msgspec.structs.replace(message, data=audio)


def scan_records(file: BinaryIO, offset: int, end: int, kind: type[M]) -> Iterator[tuple[int, int, M]]:
    """Yield (offset, next offset, message without audio) for each record between `offset` and `end`.

    Stops at the first incomplete record: it is damaged, or another thread is still writing it.
    """
    while (found := _meta(file, offset, kind)) is not None:
        message, size, _ = found
        following = file.tell() + size
        if following > end:
            return
        yield offset, following, message
        offset = following


def _meta(file: BinaryIO, offset: int, kind: type[M]) -> tuple[M, int, int] | None:
    """The message, the audio's length and the audio's checksum. Leaves the file position at the audio."""
    file.seek(offset)
    head = file.read(HEAD.size)
    if len(head) != HEAD.size:
        return None
    meta_size, audio_size, meta_checksum, audio_checksum = HEAD.unpack(head)
    if not 0 < meta_size <= MAX_META or audio_size > MAX_AUDIO:
        return None
    meta = file.read(meta_size)
    if len(meta) != meta_size or crc32(meta) != meta_checksum:
        return None
    try:
        return msgspec.msgpack.decode(meta, type=kind), audio_size, audio_checksum
    except msgspec.MsgspecError:
        return None
