"""Checks that the decoder reads a whole file. FFmpeg silently skips damage, and data after the end of the audio."""

import string
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import BinaryIO, Literal

from av.container import InputContainer

from pipeline.base.errors import AudioError
from pipeline.speech.audio.container import DecodeTally, shortfall

EDGE_BYTES = 65_536
"""Bytes at the start of a file that are searched for the length tags of WAV and MP3. A large picture before the tags
can hide them."""

DAMAGED_REMEDY = "The decoded part was used. Copy or record the file again."
NOT_NUMBERS_REMEDY = "They became silence. Record or convert the file again."
UNHEARD_REMEDY = "The decoded part was used. Save each recording as one file with an audio editor."

StructureCheck = Callable[[BinaryIO, int, range], str | None]
"""A function of an open file, its size in bytes and the byte range of its last packet. It returns the fault in words,
or None."""

BOX_TYPES = {
    *(b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"meta", b"moof", b"mfra", b"sidx"),
    *(b"ssix", b"pdin", b"prft", b"emsg", b"udta", b"pnot", b"PICT", b"junk"),
}


def mp4_fault(file: BinaryIO, size: int, last: range) -> str | None:
    """MP4, M4A and QuickTime (ISO 14496-12): boxes up to the last byte of the file. One box is the index, `moov`."""
    del last
    at, indexes = 0, 0
    while at < size:
        length, kind = _box(file, at, size)
        indexes += kind == b"moov"
        if kind not in BOX_TYPES or at + length > size:
            return beyond(file, size, at)
        if indexes > 1:
            return f"a second recording begins before byte {at:,}"
        at += length
    return None


def _box(file: BinaryIO, at: int, size: int) -> tuple[int, bytes]:
    """Length of a box with its header, and its type. If the length field is 1, the length follows the type.

    If the length field is 0, the box extends to the end of the file. The type is empty for an invalid box.
    """
    file.seek(at)
    length, kind = int.from_bytes(file.read(4), "big"), file.read(4)
    if length == 1:
        length = int.from_bytes(file.read(8), "big")
    # The length includes the 8 bytes of the header, so a smaller one is invalid.
    return length or size - at, kind if length >= 8 or not length else b""


RECORDINGS = {b"RIFF", b"RIFX", b"RF64", b"FORM", b"caff", b"OggS", b"fLaC"}
"""First bytes of audio files. If they are in the place of a chunk's name, another recording begins there."""

PRINTABLE = frozenset(string.printable.encode())


@dataclass(frozen=True, slots=True)
class ChunkLayout:
    """Layout of the chunks in WAV, AIFF, CAF, W64 and AVI. They have a name and a length; one holds the samples."""

    order: Literal["little", "big"]
    name: int
    """Size of a chunk's name in bytes."""
    length: int
    """Size of a chunk's length field in bytes."""
    first: int | None = None
    """Byte at which the first chunk begins. None: check the chunks after the last packet only."""
    align: int = 2
    """Chunks begin at multiples of this number of bytes."""
    inclusive: bool = False
    """The length field includes the name and itself."""

    def fault(self, file: BinaryIO, size: int, last: range) -> str | None:
        """See `StructureCheck`."""
        samples = 0
        at = self._aligned(last.stop) if self.first is None else self.first
        while at + self.name + self.length <= size:
            name, length = self._head(file, at)
            has_samples = name[:4] in {b"data", b"SSND"}
            samples += has_samples
            if samples > 1:
                return f"it has a second block of samples at byte {at:,}"
            if has_samples and (length == self.name + self.length or at + length > size + 1):
                at = self._aligned(last.stop)  # the writer did not know the length: continue after the last packet
            # + 1: the last chunk may lack its padding byte.
            elif self._is_chunk(name) and self.name + self.length <= length <= size + 1 - at:
                at = self._aligned(at + length)
            else:
                return beyond(file, size, at)
        return None

    def _head(self, file: BinaryIO, at: int) -> tuple[bytes, int]:
        """Name and total length of the chunk at byte `at`."""
        file.seek(at)
        name, length = file.read(self.name), int.from_bytes(file.read(self.length), self.order)
        return name, length if self.inclusive else length + self.name + self.length

    def _aligned(self, at: int) -> int:
        return at + -at % self.align

    def _is_chunk(self, name: bytes) -> bool:
        # W64 names its chunks by 16-byte GUIDs, which are not printable.
        return len(name) > 4 or (name not in RECORDINGS and PRINTABLE.issuperset(name))


OPEN_ELEMENTS = {0x18538067, 0x1F43B675}
"""Segment and Cluster. The check reads their children, because live recorders do not state the length of these two."""

ELEMENT_IDS = {
    0x1A45DFA3: "EBML",
    0xEC: "Void",
    0xBF: "CRC-32",
    0x114D9B74: "SeekHead",
    0x1549A966: "Info",
    0x1654AE6B: "Tracks",
    0x1C53BB6B: "Cues",
    0x1043A770: "Chapters",
    0x1254C367: "Tags",
    0x1941A469: "Attachments",
    0xE7: "Timestamp",
    0x5854: "SilentTracks",
    0xA7: "Position",
    0xAB: "PrevSize",
    0xA3: "SimpleBlock",
    0xA0: "BlockGroup",
    0xAF: "EncryptedBlock",
}


def matroska_fault(file: BinaryIO, size: int, last: range) -> str | None:
    """Matroska and WebM (RFC 9559): nested elements. After an unknown element FFmpeg skips to the next cluster."""
    del last
    at = 0
    while at < size:
        file.seek(at)
        name, length = _number(file, marked=True), _number(file, marked=False)
        body = file.tell()
        if name in OPEN_ELEMENTS:
            at = body
        elif name not in ELEMENT_IDS or length is None:
            return beyond(file, size, at)
        elif body + length > size:
            return f"it ends inside the element at byte {at:,}"
        else:
            at = body + length
    return None


def _number(file: BinaryIO, *, marked: bool) -> int | None:
    """Read an EBML number of one to eight bytes. The count of leading zero bits in its first byte gives its length.

    Element ids include the first 1 bit (`marked`), lengths do not. Returns None at the end of the file or if the first
    byte is zero.
    """
    first = file.read(1)
    if not first or not first[0]:
        return None
    count = 9 - first[0].bit_length()
    head = first[0] if marked else first[0] - (1 << (8 - count))
    return int.from_bytes(bytes([head]) + file.read(count - 1), "big")


PAGE_HEAD = 27
"""Bytes of the fixed part of an Ogg page's header."""
FIRST_PAGE, LAST_PAGE = 2, 4
REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


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
            return  # its header cannot be trusted either
        if page.stream in self.open and not page.flags & FIRST_PAGE:
            self.missing += abs(page.number - self.open[page.stream] - 1)
        self.open[page.stream] = page.number
        if page.flags & LAST_PAGE:
            del self.open[page.stream]


def ogg_fault(file: BinaryIO, size: int, last: range) -> str | None:
    """Ogg (RFC 3533): pages with a checksum and a number. FFmpeg skips a page whose checksum is wrong."""
    del last
    faults, at = _Faults(), 0
    for page, at in _pages(file):  # noqa: B007 - `at` is used after the loop
        faults.see(page)
    if faults.broken:
        return f"{len(faults.broken)} of its {faults.pages} pages are damaged, the first at byte {faults.broken[0]:,}"
    if tail := beyond(file, size, at):
        return tail
    if faults.missing:
        return f"{faults.missing} of its pages are missing"
    return "its last page is missing" if faults.open else None


def _pages(file: BinaryIO) -> Iterator[tuple[_Page, int]]:
    """The pages, each with the byte at which the next page must begin. Stops at an incomplete or invalid page."""
    file.seek(0)
    at = 0
    while len(head := file.read(PAGE_HEAD)) == PAGE_HEAD and head.startswith(b"OggS"):
        lengths = file.read(head[26])
        body = file.read(sum(lengths))
        if len(lengths) < head[26] or len(body) < sum(lengths):
            return
        stated = int.from_bytes(head[22:26], "little")
        # The checksum is computed with zeros in its own place.
        sound = stated == ogg_checksum(head[:22] + bytes(4) + head[26:] + lengths + body)
        page = _Page(at, head[5], head[14:18], int.from_bytes(head[18:22], "little"), sound)
        at += len(head) + len(lengths) + len(body)
        yield page, at


def ogg_checksum(page: bytes) -> int:
    """CRC-32 as Ogg defines it: zlib's CRC-32 with reversed bits and without the inversions at start and end."""
    mirrored = zlib.crc32(page.translate(REVERSED_BITS), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int(f"{mirrored:032b}"[::-1], 2)


POLYNOMIAL = 0x8005
"""Of the CRC-16 in a FLAC frame."""
LONGEST_FRAME = 1 << 20
"""Maximum bytes of a frame. Encoders write frames of at most 4,608 samples, which are far smaller."""


def flac_fault(file: BinaryIO, size: int, last: range) -> str | None:
    """FLAC (RFC 9639): a frame ends with a checksum. FFmpeg takes all data after the last frame for a part of it."""
    end = end_of_tags(file, last.start, size)
    if end - last.start > LONGEST_FRAME:
        return unheard(last.start + LONGEST_FRAME, end)
    file.seek(last.start)
    if flac_checksum(file.read(end - last.start)):
        return "its last frame is damaged, or other data follows it"
    return None


def flac_checksum(frame: bytes) -> int:
    """CRC-16 of a whole frame with its own checksum. It is 0 for an undamaged frame."""
    table, crc = _table(), 0
    for byte in frame:
        crc = (crc << 8 & 0xFFFF) ^ table[crc >> 8 ^ byte]
    return crc


@cache
def _table() -> list[int]:
    return [_shifted(byte << 8) for byte in range(256)]


def _shifted(crc: int) -> int:
    for _ in range(8):
        crc = (crc << 1 ^ (POLYNOMIAL if crc & 0x8000 else 0)) & 0xFFFF
    return crc


TAIL_TOLERANCE = 256
"""Bytes that are too few to hold a spoken word."""


def tail_fault(file: BinaryIO, size: int, last: range) -> str | None:
    """The check for containers that hold only audio and then tags."""
    return beyond(file, size, last.stop)


def beyond(file: BinaryIO, size: int, end: int) -> str | None:
    """Report data other than tags after byte `end`, in words. None if there is none."""
    return unheard(end, size) if end_of_tags(file, end, size) > end + TAIL_TOLERANCE else None


def unheard(begin: int, end: int) -> str:
    """The fault for bytes `begin` to `end` (half open), in words."""
    return f"the {end - begin:,} bytes from byte {begin:,} on are not part of the recording"


def end_of_tags(file: BinaryIO, begin: int, end: int) -> int:
    """The byte at which the tags at the end of a file begin: ID3v1, Lyrics3 and APE tags, and padding with zeros."""
    while end > begin:
        length = _last_tag(file, begin, end)
        if not length:
            return end
        end -= length
    return begin


def _last_tag(file: BinaryIO, begin: int, end: int) -> int:
    file.seek(max(begin, end - 128))
    last = file.read(end - file.tell())
    # ID3v1 has a fixed size.
    if len(last) == 128 and last.startswith(b"TAG"):
        return 128
    if len(last) >= 32 and last[-32:].startswith(b"APETAGEX"):
        # The size in an APE footer includes the footer, but not the optional header.
        return int.from_bytes(last[-20:-16], "little") + (32 if last[-9] & 0x80 else 0)
    if last.endswith(b"LYRICS200") and last[-15:-9].isdigit():
        # The size before `LYRICS200` does not include its own six digits and these nine letters.
        return int(last[-15:-9]) + 15
    return len(last) if not any(last) else 0


CHECKS: dict[str, StructureCheck] = {
    "ogg": ogg_fault,
    "matroska,webm": matroska_fault,
    "mov,mp4,m4a,3gp,3g2,mj2": mp4_fault,
    "flac": flac_fault,
    "wav": ChunkLayout("little", 4, 4, first=12).fault,
    "aiff": ChunkLayout("big", 4, 4, first=12).fault,
    "caf": ChunkLayout("big", 4, 8, first=8, align=1).fault,
    "w64": ChunkLayout("little", 16, 8, first=40, align=8, inclusive=True).fault,
    "avi": ChunkLayout("little", 4, 4).fault,
    **dict.fromkeys(("aac", "amr", "amrnb", "amrwb", "au", "flv", "mp3", "wv"), tail_fault),
}
"""Checks by FFmpeg's name of the container. MPEG streams and ASF need none: FFmpeg finds packets after damage, too."""


def fault_of(kind: str, file: BinaryIO, size: int, last: range) -> str | None:
    """The part of a file that was not decoded, in words; None if all of it was.

    `kind` is FFmpeg's name of the container, `size` the size in bytes, `last` the byte range of the last packet.
    """
    check = CHECKS.get(kind)
    return check(file, size, last) if check else None


def check_complete(
    name: str, container: InputContainer, stream: int, file: BinaryIO, size: int, tally: DecodeTally
) -> None:
    """Raise AudioError unless all of an audio stream of the file was decoded."""
    if not tally.samples:
        raise AudioError(f"{name} has no samples that can be decoded", "Copy or record the file again.")
    if len(tally.channels) > 1:
        raise AudioError(f"{name} changes its number of channels", UNHEARD_REMEDY)
    if missing := shortfall(container, stream, _head(file), size, tally):
        raise AudioError(f"{name} is incomplete: {missing}", DAMAGED_REMEDY)
    if tally.damaged:
        raise AudioError(f"{name} is damaged: {tally.damaged} of its packets cannot be decoded", DAMAGED_REMEDY)
    if fault := fault_of(container.format.name, file, size, tally.last):
        raise AudioError(f"{name} was not decoded completely: {fault}", UNHEARD_REMEDY)


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(EDGE_BYTES)
