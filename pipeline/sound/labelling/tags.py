"""Finds the implicit labels in the metadata of a recording.

The name of a tag has to contain "AIGC" (GB 45438-2025, Annex E a). FFmpeg reads the tags that the practice guide on
audio files (TC260-PG-202510A) names: ID3v2 `TXXX` of MP3, Vorbis comments of FLAC and Ogg, keys in `moov.udta.meta` of
M4A. It does not read the chunk `AIGC` of a WAV file, so that is read here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.sound.labelling.field import MAX_CHARACTERS, NAME, ImplicitLabel, read_field
from pipeline.speech.audio.container import opened
from pipeline.speech.audio.decode import size_of

MAX_LABELS = 16
"""More fields of a file are not read."""
MAX_CHUNKS = 10_000
"""More chunks of a WAV file are not visited."""
COMMENT = f'{{"{NAME}"'
"""How a tag of another name begins that holds the field all the same, such as `comment`."""


def labels_in(path: Path, name: str | None = None) -> list[ImplicitLabel]:
    """The implicit labels of a file, at most MAX_LABELS.

    Raises AudioError with `name` if the file cannot be read or is not audio.
    """
    name = name or str(path)
    size_of(path, name)
    with path.open("rb") as file:
        with opened(file, name) as container:
            tags = [container.metadata, *(stream.metadata for stream in container.streams)]
            found = [read_field(f"tag {key}", value) for each in tags for key, value in each.items() if _is(key, value)]
        file.seek(0)
        found += (read_field(f"chunk {NAME}", value) for value in _chunks(file))
    return found[:MAX_LABELS]


def _is(key: str, value: str) -> bool:
    return NAME in key.upper() or "".join(value[:64].split()).upper().startswith(COMMENT)


def _chunks(file: BinaryIO) -> Iterator[str]:
    """The texts of the chunks `AIGC` of a WAV file; none if it is no WAV file."""
    if file.read(4) not in {b"RIFF", b"RF64"}:
        return
    file.seek(12)
    for _ in range(MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        size = int.from_bytes(head[4:], "little")
        begin = file.tell()
        if head[:4] == NAME.encode():
            yield file.read(min(size, 4 * MAX_CHARACTERS + 4)).decode(errors="replace").rstrip("\0")
        file.seek(begin + size + size % 2)
