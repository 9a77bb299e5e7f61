"""Matroska and WebM (RFC 9559): nested elements. After an unknown element FFmpeg skips to the next cluster."""

from typing import BinaryIO

from pipeline.speech.audio.structure import tail

OPENED = {0x18538067, 0x1F43B675}
"""Segment and Cluster. The check reads their children, because live recorders do not state the length of these two."""

KNOWN = {
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


def fault(file: BinaryIO, size: int, last: range) -> str | None:
    """See `StructureCheck`."""
    del last
    at = 0
    while at < size:
        file.seek(at)
        name, length = _number(file, marked=True), _number(file, marked=False)
        body = file.tell()
        if name in OPENED:
            at = body
        elif name not in KNOWN or length is None:
            return tail.beyond(file, size, at)
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
