"""Recordings to 16 kHz mono: a file as a stream of blocks, or a small recording in memory."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from av.container import InputContainer

from pipeline.audio.container import MAIN, DecodeTally, Part, audible, decoded, in_blocks, opened, seconds_of, shortfall
from pipeline.audio.resample import Samples, not_cancelled
from pipeline.audio.structure import fault_of
from pipeline.errors import AudioError
from pipeline.messages import SAMPLE_RATE

log = logging.getLogger(__name__)

EDGE_BYTES = 65_536
"""Enough at the head for the length tags of WAV and MP3, unless a large picture stands before it."""

DAMAGED_REMEDY = "What could be decoded was used. Copy or record it again."
UNHEARD_REMEDY = "What could be decoded was used. Save it anew with an audio editor, as one file for each recording."


def read_file(path: Path, part: Part = MAIN, name: str | None = None) -> Iterator[Samples]:
    """One part of a recording as blocks of one second, shape (16000,); only the last is shorter.

    Memory stays at a few blocks. Raises AudioError, which calls the file `name`: at once for what is no audio; after
    the last good block for a file that is damaged, shorter than it says, or holds bytes that no decoder sees. Keep
    the blocks in that case. Samples that are not numbers become silence.
    """
    name = name or str(path)
    size = size_of(path, name)
    tally = DecodeTally()
    with path.open("rb") as file, opened(file, name) as container:
        for block in in_blocks(decoded(container, name, tally, part), tally):
            yield audible(block, part.gain)
        _check(name, container, part, file, size, tally)
    if tally.not_numbers:
        log.warning("%s: %d samples were not numbers; taken as silence", name, tally.not_numbers)


def samples_of(path: Path, part: Part = MAIN) -> Samples:
    """The whole of one part of a short recording, shape (samples,); raises as `read_file`."""
    return np.concatenate([*read_file(path, part)])


def duration_of(path: Path) -> float | None:
    """Seconds that the file says it holds, for progress bars; None if it does not say, or cannot be read."""
    try:
        size_of(path)
        with path.open("rb") as file, opened(file, str(path)) as container:
            return seconds_of(container)
    except AudioError:
        return None


def read_bytes(data: bytes, name: str, limit_seconds: float) -> tuple[Samples, DecodeTally]:
    """A whole recording in memory, shape (samples,). Raises beyond the limit: a tiny file can hold days of silence.

    Channels do not cancel each other.
    """
    tally = DecodeTally()
    limit = int(limit_seconds * SAMPLE_RATE)
    blocks: list[Samples] = []
    file = io.BytesIO(data)
    with opened(file, name) as container:
        for block in in_blocks(decoded(container, name, tally, mix=not_cancelled), tally):
            blocks.append(block)
            if tally.samples > limit:
                raise AudioError(f"{name} is longer than {limit_seconds:g} s", "Send it in shorter pieces.")
        if len(container.streams.audio) > 1:
            raise AudioError(f"{name} holds several audio streams", "Send each by itself.")
        _check(name, container, MAIN, file, len(data), tally)
    return np.concatenate(blocks), tally


def size_of(path: Path, name: str | None = None) -> int:
    """Size in bytes of a file that can be opened and is not empty; raises AudioError, which calls it `name`."""
    name = name or str(path)
    try:
        if path.is_dir():
            raise AudioError(f"{name} is a folder", "Name the files in it.")
        if not path.is_file():
            raise AudioError(f"There is no file {name}", "Check the path.")
        with path.open("rb"):
            size = path.stat().st_size
    except OSError as error:
        raise AudioError(f"{name} cannot be opened: {error.strerror}", "Check the path and its permissions.") from error
    if not size:
        raise AudioError(f"{name} is empty (0 bytes)", "Copy or record it again.")
    return size


def _check(name: str, container: InputContainer, part: Part, file: BinaryIO, size: int, tally: DecodeTally) -> None:
    """Raise AudioError unless all of the file was heard."""
    if not tally.samples:
        raise AudioError(f"{name} holds no samples that can be decoded", "Copy or record it again.")
    if len(tally.channels) > 1:
        raise AudioError(f"{name} changes its number of channels", UNHEARD_REMEDY)
    if missing := shortfall(container, part.stream, _head(file), size, tally):
        raise AudioError(f"{name} is incomplete: {missing}", DAMAGED_REMEDY)
    if tally.damaged:
        raise AudioError(f"{name} is damaged: {tally.damaged} of its packets cannot be decoded", DAMAGED_REMEDY)
    if fault := fault_of(container.format.name, file, size, tally.last):
        raise AudioError(f"{name} was not heard whole: {fault}", UNHEARD_REMEDY)


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(EDGE_BYTES)
