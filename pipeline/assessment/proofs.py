"""Proofs that a hazard is gone: a file with its hash, a figure that keeps its limit, or a drill that went right."""

from hashlib import sha256
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from pipeline.base.errors import InputError
from pipeline.review.quality.figure import Figure, Window

BLOCK = 1 << 20
"""Bytes that are read at once, so that a large file does not fill the memory."""


class Proof(Struct, frozen=True):
    """What shows that a hazard is gone."""

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


class FileProof(Proof, frozen=True):
    """A file outside the store. Its hash shows later whether it is the same file."""

    path: str
    sha256: str


class FigureProof(Proof, frozen=True):
    """A figure that keeps the operator's limit."""

    figure: str
    """See `name_of`."""
    value: float
    threshold: float
    since: float
    until: float


class DrillProof(Proof, frozen=True):
    """A later drill that did not fail in the same way."""

    drill: str
    lines: int
    """Lines, or test rooms, that the drill had about it. All went right."""


def of_stream(file: BinaryIO, name: str) -> FileProof:
    """Hash what a file has from here to its end. Raises InputError if that is nothing."""
    digest, size = sha256(), 0
    while block := file.read(BLOCK):
        digest.update(block)
        size += len(block)
    if not size:
        raise InputError(f"{name} is empty", "An empty file proves nothing.", text="file_empty")
    return FileProof(name, digest.hexdigest())


def of_figure(figure: Figure, window: Window) -> FigureProof | None:
    """Return the proof that a figure of a window keeps its limit; None if it does not."""
    if figure.met is not True or figure.value is None or figure.threshold is None:  # `met` None: no data, so no proof
        return None
    return FigureProof(name_of(figure), figure.value, figure.threshold, window.since, window.until)


def name_of(figure: Figure) -> str:
    """Return the name of a figure, for example `I-06.in_time` or `I-06.in_time severity=critical`."""
    parts = [f"{key}={value}" for key, value in sorted(figure.split.items())]
    return " ".join((f"{figure.indicator}.{figure.key}", *parts))
