"""WAV, AIFF, CAF, W64 and AVI: chunks with name and length, up to the last byte. One chunk holds the samples."""

import string
from dataclasses import dataclass
from typing import BinaryIO, Literal

from pipeline.speech.audio.structure import tail

RECORDINGS = {b"RIFF", b"RIFX", b"RF64", b"FORM", b"caff", b"OggS", b"fLaC"}
"""First bytes of audio files. If they are in the place of a chunk's name, another recording begins there."""

PRINTABLE = frozenset(string.printable.encode())


@dataclass(frozen=True, slots=True)
class Form:
    """Layout of the chunks in a container."""

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
            elif self._is_chunk(name) and self.name + self.length <= length <= size + 1 - at:
                at = self._aligned(at + length)
            else:
                return tail.beyond(file, size, at)
        return None

    def _head(self, file: BinaryIO, at: int) -> tuple[bytes, int]:
        """Name and total length of the chunk at byte `at`."""
        file.seek(at)
        name, length = file.read(self.name), int.from_bytes(file.read(self.length), self.order)
        return name, length if self.inclusive else length + self.name + self.length

    def _aligned(self, at: int) -> int:
        return at + -at % self.align

    def _is_chunk(self, name: bytes) -> bool:
        return len(name) > 4 or (name not in RECORDINGS and PRINTABLE.issuperset(name))
