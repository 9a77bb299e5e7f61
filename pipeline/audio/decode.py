"""Recordings to 16 kHz mono: a file as a stream of blocks, or a small recording in memory."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pipeline.audio.container import Tally, decoded, in_blocks, opened, seconds_of, shortfall
from pipeline.audio.resample import Samples
from pipeline.errors import AudioError
from pipeline.messages import SAMPLE_RATE

log = logging.getLogger(__name__)

EDGE_BYTES = 65_536
"""Enough at the head for the length tags of WAV and MP3 (unless a large picture stands before it), and at the end for
the last page of an Ogg file."""

DAMAGED_REMEDY = "What could be decoded was used. Copy or record it again."


def read_file(path: Path) -> Iterator[Samples]:
    """A recording as blocks of one second, shape (16000,); only the last is shorter. Memory stays at a few blocks.

    Raises AudioError that names the file: at once for what is no audio, and after the last good block for a file that
    is damaged or shorter than it says. Keep the blocks in that case. Samples that are not numbers become silence.
    """
    size = _size(path)
    tally = Tally()
    with path.open("rb") as file:
        head, tail = file.read(EDGE_BYTES), _tail(file, size)
        with opened(file, str(path)) as container:
            yield from in_blocks(decoded(container, str(path), tally), tally)
            missing = shortfall(container, head, tail, size, tally)
    if tally.not_numbers:
        log.warning("%s: %d samples were not numbers; taken as silence", path, tally.not_numbers)
    _check(str(path), tally, missing)


def duration_of(path: Path) -> float | None:
    """Seconds that the file says it holds, for progress bars; None if it does not say, or cannot be read."""
    try:
        _size(path)
        with path.open("rb") as file, opened(file, str(path)) as container:
            return seconds_of(container)
    except AudioError:
        return None


def read_bytes(data: bytes, name: str, limit_seconds: float) -> tuple[Samples, Tally]:
    """A whole recording in memory, shape (samples,). Raises beyond the limit: a tiny file can hold days of silence."""
    tally = Tally()
    limit = int(limit_seconds * SAMPLE_RATE)
    blocks: list[Samples] = []
    with opened(io.BytesIO(data), name) as container:
        for block in in_blocks(decoded(container, name, tally), tally):
            blocks.append(block)
            if tally.samples > limit:
                raise AudioError(f"{name} is longer than {limit_seconds:g} s", "Send it in shorter pieces.")
        missing = shortfall(container, data[:EDGE_BYTES], data[-EDGE_BYTES:], len(data), tally)
    _check(name, tally, missing)
    return np.concatenate(blocks), tally


def _size(path: Path) -> int:
    try:
        if path.is_dir():
            raise AudioError(f"{path} is a folder", "Name the files in it.")
        if not path.is_file():
            raise AudioError(f"There is no file {path}", "Check the path.")
        with path.open("rb"):
            size = path.stat().st_size
    except OSError as error:
        raise AudioError(f"{path} cannot be opened: {error.strerror}", "Check the path and its permissions.") from error
    if not size:
        raise AudioError(f"{path} is empty (0 bytes)", "Copy or record it again.")
    return size


def _tail(file: BinaryIO, size: int) -> bytes:
    file.seek(max(0, size - EDGE_BYTES))
    tail = file.read()
    file.seek(0)
    return tail


def _check(name: str, tally: Tally, missing: str | None) -> None:
    if not tally.samples:
        raise AudioError(f"{name} holds no samples that can be decoded", "Copy or record it again.")
    if missing:
        raise AudioError(f"{name} is incomplete: {missing}", DAMAGED_REMEDY)
    if tally.damaged:
        raise AudioError(f"{name} is damaged: {tally.damaged} of its packets cannot be decoded", DAMAGED_REMEDY)
