"""Decodes recordings to 16 kHz mono: a file as a stream of blocks, or a small recording in memory."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import numpy as np

from pipeline.base.errors import AudioError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.container import MAIN, DecodeTally, Part, Rows, decoded, in_blocks, opened
from pipeline.speech.audio.container_structure import check_complete
from pipeline.speech.audio.decoder_process import Facts, decoding
from pipeline.speech.audio.resample import Samples, not_cancelled


def read_rows(path: Path, parts: Sequence[Part], name: str | None = None) -> Iterator[Rows]:
    """Parts of one audio stream as blocks of one second, shape (parts, 16000). Only the last block is shorter.

    Only a few blocks are in memory. Raises AudioError with `name` at once if the file is not audio. Raises it after the
    last good block if the file is damaged, is shorter than it states, or has bytes that the decoder does not read. The
    same is true for samples that are NaN or infinite, which become silence. In these cases keep the blocks.
    """
    name = name or str(path)
    size = size_of(path, name)
    with path.open("rb") as file, decoding(file, size, name, parts) as (_, blocks):
        yield from blocks


def read_file(path: Path, part: Part = MAIN, name: str | None = None) -> Iterator[Samples]:
    """One part of a recording as blocks of one second, shape (16000,), as `read_rows`."""
    return (block[0] for block in read_rows(path, [part], name))


def read_stream(file: BinaryIO, size: int, name: str) -> Iterator[Samples]:
    """The main part of a recording in an open file of `size` bytes, as `read_file`."""
    with decoding(file, size, name, [MAIN]) as (_, blocks):
        yield from (block[0] for block in blocks)


def samples_of(path: Path, part: Part = MAIN) -> Samples:
    """All samples of one part of a short recording, shape (samples,). Raises AudioError like `read_file`."""
    return np.concatenate([*read_file(path, part)])


def facts_of(path: Path, name: str | None = None) -> Facts:
    """What a recording says about itself. Raises AudioError with `name` if it cannot be opened as audio."""
    name = name or str(path)
    size = size_of(path, name)
    with path.open("rb") as file, decoding(file, size, name) as (facts, _):
        return facts


def duration_of(path: Path) -> float | None:
    """Length in seconds that the file states, for progress bars. None if it states none or cannot be read."""
    try:
        return facts_of(path).seconds
    except AudioError:
        return None


def read_upload(data: bytes, name: str, limit_seconds: float) -> tuple[Samples, DecodeTally]:
    """As `read_bytes`, for bytes of strangers: the decoder runs in a process of its own, which they may break."""
    tally = DecodeTally()
    blocks: list[Samples] = []
    with TemporaryFile() as file:
        file.write(data)
        with decoding(file, len(data), name, [MAIN], tally) as (facts, rows):
            if len(facts.channels) > 1:
                raise AudioError(f"{name} has several audio streams", "Send each stream separately.")
            for block in rows:
                blocks.append(block[0])
                if len(blocks) > limit_seconds:  # a tiny file can hold days of silence
                    raise AudioError(f"{name} is longer than {limit_seconds:g} s", "Send it in shorter pieces.")
    return np.concatenate(blocks), tally


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
            blocks.append(block[0])
            # Check while decoding: a tiny file can hold days of silence.
            if tally.samples > limit:
                raise AudioError(f"{name} is longer than {limit_seconds:g} s", "Send it in shorter pieces.")
        if len(container.streams.audio) > 1:
            raise AudioError(f"{name} has several audio streams", "Send each stream separately.")
        check_complete(name, container, MAIN.stream, file, len(data), tally)
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
