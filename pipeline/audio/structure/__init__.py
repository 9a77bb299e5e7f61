"""Does a decoder see all of a file? FFmpeg passes over damage and over what follows the end, and says nothing."""

from collections.abc import Callable
from typing import BinaryIO

from pipeline.audio.structure import boxes, flac, matroska, ogg, tail
from pipeline.audio.structure.chunks import Form

StructureCheck = Callable[[BinaryIO, int, range], str | None]
"""From an open file, its size in bytes and the bytes of its last packet, to what is wrong, in words."""

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
"""By FFmpeg's name of the container. In MPEG streams and ASF it looks for each packet, also behind damage."""


def fault_of(kind: str, file: BinaryIO, size: int, last: range) -> str | None:
    """What was not heard of a file of `size` bytes, whose last packet is the bytes `last`; None if all was."""
    check = CHECKS.get(kind)
    return check(file, size, last) if check else None
