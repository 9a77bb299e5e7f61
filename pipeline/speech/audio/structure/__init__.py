"""Checks that the decoder reads a whole file. FFmpeg silently skips damage, and data after the end of the audio."""

from collections.abc import Callable
from typing import BinaryIO

from pipeline.speech.audio.structure import boxes, flac, matroska, ogg, tail
from pipeline.speech.audio.structure.chunks import Form

StructureCheck = Callable[[BinaryIO, int, range], str | None]
"""A function of an open file, its size in bytes and the byte range of its last packet. It returns the fault in words,
or None."""

CHECKS: dict[str, StructureCheck] = {
    "ogg": ogg.fault,
    "matroska,webm": matroska.fault,
    "mov,mp4,m4a,3gp,3g2,mj2": boxes.fault,
    "flac": flac.fault,
    "wav": Form("little", 4, 4, first=12).fault,
    "aiff": Form("big", 4, 4, first=12).fault,
    "caf": Form("big", 4, 8, first=8, align=1).fault,
    "w64": Form("little", 16, 8, first=40, align=8, inclusive=True).fault,
    "avi": Form("little", 4, 4).fault,
    **dict.fromkeys(("aac", "amr", "amrnb", "amrwb", "au", "flv", "mp3", "wv"), tail.fault),
}
"""Checks by FFmpeg's name of the container. MPEG streams and ASF need none: FFmpeg finds packets after damage, too."""


def fault_of(kind: str, file: BinaryIO, size: int, last: range) -> str | None:
    """The part of a file that was not decoded, in words; None if all of it was.

    `kind` is FFmpeg's name of the container, `size` the size in bytes, `last` the byte range of the last packet.
    """
    check = CHECKS.get(kind)
    return check(file, size, last) if check else None
