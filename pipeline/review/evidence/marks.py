"""Beside each segment of the look-back, a file of marks: which of its utterances are finished, when, and how.

An utterance without a mark is still in hand: a runner that was killed judges it when it starts again. A mark is 17
bytes: the utterance's offset in the segment, UTC seconds, and the outcome, big-endian.
"""

import os
import struct
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from pipeline import private

RECORD = struct.Struct(">QdB")
SUFFIX = ".marks"


class Finish(IntEnum):
    """How an utterance ended."""

    HEARD = 1
    """It was transcribed and judged; a flag is in the review store."""
    SKIPPED = 2
    """Overload skipped it."""
    FAILED = 3
    """A stage could not handle it: it is among the dead letters."""


class FinishMark(NamedTuple):
    at: float
    """UTC seconds."""
    outcome: Finish


def write(file: Path, offsets: Iterable[int], mark: FinishMark) -> None:
    """Append to `file`, which exists for as long as its segment does; without it there is nothing to mark."""
    content = b"".join(RECORD.pack(offset, mark.at, mark.outcome) for offset in offsets)
    try:
        target = os.open(file, os.O_WRONLY | os.O_APPEND)
    except FileNotFoundError:
        return
    try:
        os.write(target, content)
    finally:
        os.close(target)


def read(file: Path) -> dict[int, FinishMark]:
    """The last mark of each offset. A torn mark at the end is left out."""
    content = file.read_bytes()
    whole = content[: len(content) - len(content) % RECORD.size]
    known = {outcome.value for outcome in Finish}
    return {
        offset: FinishMark(at, Finish(outcome)) for offset, at, outcome in RECORD.iter_unpack(whole) if outcome in known
    }


def remove(file: Path, offset: int) -> None:
    """Take an utterance's marks back, so that it is in hand again."""
    kept = b"".join(RECORD.pack(at, *mark) for at, mark in read(file).items() if at != offset)
    fresh = file.with_name(file.name + ".new")
    fresh.touch(private.FILE)
    fresh.write_bytes(kept)
    fresh.replace(file)
