"""Decodes recordings to 16 kHz mono: a file as a stream of blocks, or a small recording in memory."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from av.container import InputContainer

from pipeline.base.errors import AudioError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.container import (
    MAIN,
    DecodeTally,
    Part,
    audible,
    decoded,
    in_blocks,
    opened,
    seconds_of,
    shortfall,
)
from pipeline.speech.audio.container_structure import fault_of
from pipeline.speech.audio.resample import Samples, not_cancelled

EDGE_BYTES = 65_536
"""Bytes at the start of a file that are searched for the length tags of WAV and MP3. A large picture before the tags
can hide them."""

DAMAGED_REMEDY = "The decoded part was used. Copy or record the file again."
NOT_NUMBERS_REMEDY = "They became silence. Record or convert the file again."
UNHEARD_REMEDY = "The decoded part was used. Save each recording as one file with an audio editor."


def read_file(path: Path, part: Part = MAIN, name: str | None = None) -> Iterator[Samples]:
    """One part of a recording as blocks of one second, shape (16000,). Only the last block is shorter.

    Only a few blocks are in memory. Raises AudioError with `name` at once if the file is not audio. Raises it after the
    last good block if the file is damaged, is shorter than it states, or has bytes that the decoder does not read. The
    same is true for samples that are NaN or infinite, which become silence. In these cases keep the blocks.
    """
    name = name or str(path)
    size = size_of(path, name)
    with path.open("rb") as file:
        yield from read_stream(file, size, name, part)


def read_stream(file: BinaryIO, size: int, name: str, part: Part = MAIN) -> Iterator[Samples]:
    """One part of a recording in an open file that can seek and has `size` bytes, as `read_file`."""
    tally = DecodeTally()
    with opened(file, name) as container:
        for block in in_blocks(decoded(container, name, tally, part), tally):
            yield audible(block, part.gain)
        _check(name, container, part, file, size, tally)
    if tally.not_numbers:
        raise AudioError(f"{name} has {tally.not_numbers} samples that are NaN or infinite", NOT_NUMBERS_REMEDY)


def samples_of(path: Path, part: Part = MAIN) -> Samples:
    """All samples of one part of a short recording, shape (samples,). Raises AudioError like `read_file`."""
    return np.concatenate([*read_file(path, part)])


def duration_of(path: Path) -> float | None:
    """Length in seconds that the file states, for progress bars. None if it states none or cannot be read."""
    try:
        size_of(path)
        with path.open("rb") as file, opened(file, str(path)) as container:
            return seconds_of(container)
    except AudioError:
        return None


def read_bytes(data: bytes, name: str, limit_seconds: float) -> tuple[Samples, DecodeTally]:
    """Decode a whole recording in memory to 16 kHz mono, shape (samples,). Channels do not cancel each other.

    Raises AudioError with `name` if the recording cannot be decoded, or is longer than `limit_seconds`.
    """
    tally = DecodeTally()
    limit = int(limit_seconds * SAMPLE_RATE)
    blocks: list[Samples] = []
    file = io.BytesIO(data)
    with opened(file, name) as container:
        for block in in_blocks(decoded(container, name, tally, mix=not_cancelled), tally):
            blocks.append(block)
            # Check while decoding: a tiny file can hold days of silence.
            if tally.samples > limit:
                raise AudioError(f"{name} is longer than {limit_seconds:g} s", "Send it in shorter pieces.")
        if len(container.streams.audio) > 1:
            raise AudioError(f"{name} has several audio streams", "Send each stream separately.")
        _check(name, container, MAIN, file, len(data), tally)
    return np.concatenate(blocks), tally


def size_of(path: Path, name: str | None = None) -> int:
    """Size of a file in bytes. Raises AudioError with `name` if the file cannot be opened or is empty."""
    name = name or str(path)
    try:
        if path.is_dir():
            raise AudioError(f"{name} is a folder", "Name the files in it.")
        if not path.is_file():
            raise AudioError(f"There is no file {name}", "Check the path.")
        with path.open("rb"):  # raises here if it may not be read
            size = path.stat().st_size
    except OSError as error:
        raise AudioError(f"{name} cannot be opened: {error.strerror}", "Check the path and its permissions.") from error
    if not size:
        raise AudioError(f"{name} is empty (0 bytes)", "Copy or record the file again.")
    return size


def _check(name: str, container: InputContainer, part: Part, file: BinaryIO, size: int, tally: DecodeTally) -> None:
    """Raise AudioError unless all of the file was decoded."""
    if not tally.samples:
        raise AudioError(f"{name} has no samples that can be decoded", "Copy or record the file again.")
    if len(tally.channels) > 1:
        raise AudioError(f"{name} changes its number of channels", UNHEARD_REMEDY)
    if missing := shortfall(container, part.stream, _head(file), size, tally):
        raise AudioError(f"{name} is incomplete: {missing}", DAMAGED_REMEDY)
    if tally.damaged:
        raise AudioError(f"{name} is damaged: {tally.damaged} of its packets cannot be decoded", DAMAGED_REMEDY)
    if fault := fault_of(container.format.name, file, size, tally.last):
        raise AudioError(f"{name} was not decoded completely: {fault}", UNHEARD_REMEDY)


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(EDGE_BYTES)
