"""MP4, M4A and QuickTime (ISO 14496-12): boxes up to the last byte of the file. One box is the index, `moov`."""

from typing import BinaryIO

from pipeline.speech.audio.structure import tail

KNOWN = {
    *(b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"meta", b"moof", b"mfra", b"sidx"),
    *(b"ssix", b"pdin", b"prft", b"emsg", b"udta", b"pnot", b"PICT", b"junk"),
}


def fault(file: BinaryIO, size: int, last: range) -> str | None:
    """See `StructureCheck`."""
    del last
    at, indexes = 0, 0
    while at < size:
        length, kind = _box(file, at, size)
        indexes += kind == b"moov"
        if kind not in KNOWN or at + length > size:
            return tail.beyond(file, size, at)
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
    return length or size - at, kind if length >= 8 or not length else b""
