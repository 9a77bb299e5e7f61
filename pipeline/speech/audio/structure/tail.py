"""Checks the data after the last packet. Only tags may follow; other data may be audio that was not decoded."""

from typing import BinaryIO

TOLERANCE = 256
"""Bytes that are too few to hold a spoken word."""


def fault(file: BinaryIO, size: int, last: range) -> str | None:
    """The check for containers that hold only audio and then tags."""
    return beyond(file, size, last.stop)


def beyond(file: BinaryIO, size: int, end: int) -> str | None:
    """Report data other than tags after byte `end`, in words. None if there is none."""
    return unheard(end, size) if end_of_tags(file, end, size) > end + TOLERANCE else None


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
    if len(last) == 128 and last.startswith(b"TAG"):
        return 128
    if len(last) >= 32 and last[-32:].startswith(b"APETAGEX"):
        return int.from_bytes(last[-20:-16], "little") + (32 if last[-9] & 0x80 else 0)
    if last.endswith(b"LYRICS200") and last[-15:-9].isdigit():
        return int(last[-15:-9]) + 15
    return len(last) if not any(last) else 0
