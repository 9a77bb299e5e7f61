"""Marks: a file beside each segment of the look-back. It tells which utterances are finished, when, and how.

An utterance without a mark is unfinished. If the runner was killed, it judges the utterance after the restart. A mark
has 17 bytes: the utterance's offset in the segment, UTC seconds, and the outcome, big-endian.
"""

import os
import struct
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from pipeline.base import private_files

MARK_RECORD = struct.Struct(">QdB")
MARKS_SUFFIX = ".marks"


class Finish(IntEnum):
    """How an utterance ended."""

    JUDGED = 1
    """The utterance was transcribed and judged. If it was flagged, the flag is in the review store."""
    SKIPPED = 2
    """It was not transcribed, because of overload or of its language."""
    FAILED = 3
    """A stage could not process it; it is a dead letter."""


class FinishMark(NamedTuple):
    """The time and the outcome of a finished utterance."""

    at: float
    """UTC seconds."""
    outcome: Finish


def write_marks(file: Path, offsets: Iterable[int], mark: FinishMark) -> None:
    """Append one mark for each offset. Do nothing if `file` is gone: then its segment has been deleted, too."""
    content = b"".join(MARK_RECORD.pack(offset, mark.at, mark.outcome) for offset in offsets)
    try:
        target = os.open(file, os.O_WRONLY | os.O_APPEND)
    except FileNotFoundError:
        return
    try:
        os.write(target, content)
    finally:
        os.close(target)


def read_marks(file: Path) -> dict[int, FinishMark]:
    """Return the last mark of each utterance, by the utterance's offset in the segment.

    Ignores an incomplete mark at the end of the file: the process was killed while it wrote this mark.
    """
    content = file.read_bytes()
    whole = content[: len(content) - len(content) % MARK_RECORD.size]
    known = {outcome.value for outcome in Finish}
    return {
        offset: FinishMark(at, Finish(outcome))
        for offset, at, outcome in MARK_RECORD.iter_unpack(whole)
        if outcome in known
    }


def remove_marks(file: Path, offset: int) -> None:
    """Remove the marks of an utterance, so that it is unfinished again."""
    kept = b"".join(MARK_RECORD.pack(at, *mark) for at, mark in read_marks(file).items() if at != offset)
    fresh = file.with_name(file.name + ".new")
    fresh.touch(private_files.FILE)
    fresh.write_bytes(kept)
    fresh.replace(file)
