"""The files of the look-back and of the journal: records one after the other, each able to tell whether it is whole.

A record is a head of 16 bytes (lengths and CRC-32 of what follows, big-endian), the message without its audio
(MessagePack), and the audio. So an index is read without reading the audio, and a torn tail is seen.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, TypeVar
from zlib import crc32

import msgspec

from pipeline.messages import AudioChunk, Utterance

M = TypeVar("M", Utterance, AudioChunk)

HEAD = struct.Struct(">IIII")
MAX_META = 65_536
MAX_AUDIO = 67_108_864
"""Bytes; a head that claims more is not one."""


def pack(message: Utterance | AudioChunk) -> bytes:
    audio = message.data
    meta = msgspec.msgpack.encode(msgspec.structs.replace(message, data=b""))
    if len(meta) > MAX_META or len(audio) > MAX_AUDIO:
        raise ValueError(f"A message of {len(meta)} + {len(audio)} bytes does not fit a record")
    return HEAD.pack(len(meta), len(audio), crc32(meta), crc32(audio)) + meta + audio


def read(file: BinaryIO, offset: int, kind: type[M]) -> M | None:
    """The message whose record begins at `offset`, with its audio; None where no whole record begins."""
    found = _meta(file, offset, kind)
    if found is None:
        return None
    message, size, checksum = found
    audio = file.read(size)
    if len(audio) != size or crc32(audio) != checksum:
        return None
    return msgspec.structs.replace(message, data=audio)


def scan(file: BinaryIO, offset: int, end: int, kind: type[M]) -> Iterator[tuple[int, int, M]]:
    """From `offset` on, (offset, next offset, message without audio) of each record that ends by `end`.

    Stops at the first that is torn or still being written.
    """
    while (found := _meta(file, offset, kind)) is not None:
        message, size, _ = found
        following = file.tell() + size
        if following > end:
            return
        yield offset, following, message
        offset = following


def _meta(file: BinaryIO, offset: int, kind: type[M]) -> tuple[M, int, int] | None:
    """The message, and the audio's length and checksum; the file is left where the audio begins."""
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
