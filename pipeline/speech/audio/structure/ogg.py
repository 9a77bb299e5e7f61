"""Ogg (RFC 3533): pages with a checksum and a number. FFmpeg skips a page whose checksum is wrong."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from pipeline.speech.audio.structure import tail

HEAD = 27
FIRST, LAST = 2, 4
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(slots=True)
class _Page:
    at: int
    flags: int
    stream: bytes
    number: int
    sound: bool
    """Its checksum is correct."""


@dataclass(slots=True)
class _Faults:
    pages: int = 0
    broken: list[int] = field(default_factory=list)
    missing: int = 0
    open: dict[bytes, int] = field(default_factory=dict)
    """Number of the latest page of each stream that has not ended."""

    def see(self, page: _Page) -> None:
        self.pages += 1
        if not page.sound:
            self.broken.append(page.at)
            return
        if page.stream in self.open and not page.flags & FIRST:
            self.missing += abs(page.number - self.open[page.stream] - 1)
        self.open[page.stream] = page.number
        if page.flags & LAST:
            del self.open[page.stream]


def fault(file: BinaryIO, size: int, last: range) -> str | None:
    """See `StructureCheck`."""
    del last
    faults, at = _Faults(), 0
    for page, at in _pages(file):  # noqa: B007 - `at` is used after the loop
        faults.see(page)
    if faults.broken:
        return f"{len(faults.broken)} of its {faults.pages} pages are damaged, the first at byte {faults.broken[0]:,}"
    if unheard := tail.beyond(file, size, at):
        return unheard
    if faults.missing:
        return f"{faults.missing} of its pages are missing"
    return "its last page is missing" if faults.open else None


def _pages(file: BinaryIO) -> Iterator[tuple[_Page, int]]:
    """The pages, each with the byte at which the next page must begin. Stops at an incomplete or invalid page."""
    file.seek(0)
    at = 0
    while len(head := file.read(HEAD)) == HEAD and head.startswith(b"OggS"):
        lengths = file.read(head[26])
        body = file.read(sum(lengths))
        if len(lengths) < head[26] or len(body) < sum(lengths):
            return
        stated = int.from_bytes(head[22:26], "little")
        sound = stated == checksum(head[:22] + bytes(4) + head[26:] + lengths + body)
        page = _Page(at, head[5], head[14:18], int.from_bytes(head[18:22], "little"), sound)
        at += len(head) + len(lengths) + len(body)
        yield page, at


def checksum(page: bytes) -> int:
    """CRC-32 as Ogg defines it: zlib's CRC-32 with reversed bits and without the inversions at start and end."""
    mirrored = zlib.crc32(page.translate(REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int(f"{mirrored:032b}"[::-1], 2)
