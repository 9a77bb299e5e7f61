"""A log of messages with audio, in segment files on one machine's disk.

It appends messages and never changes them. It deletes whole segments that are too old, and the oldest ones when all
segments together are too large. So a reader finds all messages that were written before a crash or by another process.
A crash loses only the record that was being written. One process at a time writes to a folder.

A file of marks beside each segment tells which messages are finished, when, and how. A message without a mark is
unfinished. If the runner was killed, it judges the message after the restart.

A file is a sequence of records; the journal has the same. A record has three parts: a header of 16 bytes (lengths and
CRC-32 checksums of the other parts, big-endian), the message without its audio (MessagePack), and the audio. So an
index can be read without the audio.
"""

import errno
import os
import re
import secrets
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Generic, NamedTuple, TypeVar
from zlib import crc32

import msgspec

from pipeline.base import private_files
from pipeline.base.errors import DependencyError
from pipeline.contract.messages import AudioChunk, Sound, Utterance

Recorded = TypeVar("Recorded", bound=Utterance | Sound | AudioChunk)

HEAD = struct.Struct(">IIII")
MAX_META = 65_536
MAX_AUDIO = 67_108_864
"""Maximum bytes of the two parts. A header with larger lengths is not a header."""


def pack_record(message: Utterance | Sound | AudioChunk) -> bytes:
    """The record of `message`, in bytes. Raises ValueError if the message is too large."""
    audio = message.data
    meta = msgspec.msgpack.encode(msgspec.structs.replace(message, data=b""))
    if len(meta) > MAX_META or len(audio) > MAX_AUDIO:
        raise ValueError(f"A message of {len(meta)} + {len(audio)} bytes does not fit into a record")
    return HEAD.pack(len(meta), len(audio), crc32(meta), crc32(audio)) + meta + audio


def read_record(file: BinaryIO, offset: int, kind: type[Recorded]) -> Recorded | None:
    """The message of the record at `offset`, with its audio. None if there is no complete record."""
    found = _meta(file, offset, kind)
    if found is None:
        return None
    message, size, checksum = found
    audio = file.read(size)
    if len(audio) != size or crc32(audio) != checksum:
        return None
    return msgspec.structs.replace(message, data=audio)


def scan_records(file: BinaryIO, offset: int, end: int, kind: type[Recorded]) -> Iterator[tuple[int, int, Recorded]]:
    """Yield (offset, next offset, message without audio) for each record between `offset` and `end`.

    Stops at the first incomplete record: it is damaged, or another thread is still writing it.
    """
    while (found := _meta(file, offset, kind)) is not None:
        message, size, _ = found
        following = file.tell() + size
        if following > end:
            return
        yield offset, following, message
        offset = following


def _meta(file: BinaryIO, offset: int, kind: type[Recorded]) -> tuple[Recorded, int, int] | None:
    """The message, the audio's length and the audio's checksum. Leaves the file position at the audio."""
    file.seek(offset)
    head = file.read(HEAD.size)
    if len(head) != HEAD.size:
        return None
    meta_size, audio_size, meta_checksum, audio_checksum = HEAD.unpack(head)
    if not 0 < meta_size <= MAX_META or audio_size > MAX_AUDIO:
        return None
    meta = file.read(meta_size)
    if len(meta) != meta_size or crc32(meta) != meta_checksum:
        return None
    try:
        return msgspec.msgpack.decode(meta, type=kind), audio_size, audio_checksum
    except msgspec.MsgspecError:
        return None


MARK_RECORD = struct.Struct(">QdB")
"""A mark: the message's offset in the segment, UTC seconds, and the outcome, big-endian."""
MARKS_SUFFIX = ".marks"


class Finish(IntEnum):
    """How an utterance ended."""

    JUDGED = 1
    """The utterance was transcribed and judged. If it was flagged, the flag is in the review store."""
    SKIPPED = 2
    """It was not heard, because of overload, of its language, or because it has no words."""
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
    fresh.replace(file)  # atomic: a reader finds the old marks or the new ones


M = TypeVar("M", bound=Utterance | Sound)

NAME = re.compile(r"\d{13}-[0-9a-f]{8}")
"""Name of a segment: the time when it was opened, in milliseconds, and a random part."""
SHARE = 24
"""A segment holds 1/SHARE of the log's time and size. It is the smallest part that can be deleted."""


class SegmentLog(Generic[M]):
    """Messages of one `kind`. It keeps at most `keep_seconds` and `keep_bytes`; `clock` returns UTC seconds.

    An address begins with `name`, and a file ends with `suffix`. The log is safe to use from several threads. Methods
    raise DependencyError if the disk fails.
    """

    def __init__(
        self,
        folder: Path,
        kind: type[M],
        name: str,
        suffix: str,
        keep_seconds: float,
        keep_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self._kind: type[M] = kind
        self._name = name
        self._suffix = suffix
        self._address = re.compile(rf"{name}/({NAME.pattern})/(\d{{1,12}})")
        self._keep_seconds = keep_seconds
        self._keep_bytes = keep_bytes
        self._clock = clock
        self._lock = Lock()
        self._segment = ""  # the segment that is being written; empty: none
        with self._guarded():
            private_files.open_folder(folder)
            self._forget(clock())

    def put(self, message: M) -> str:
        """Append a message and return its address."""
        record = pack_record(msgspec.structs.replace(message, address=None))
        with self._guarded():
            file = self._writable(len(record))
            try:
                # Unbuffered: after `put`, the record is safe from a crash of the process.
                with file.open("ab", buffering=0) as segment:
                    offset = segment.tell()
                    if segment.write(record) != len(record):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                self._segment = ""  # a reader stops at the broken record, so the next one goes to a new segment
                raise
        return f"{self._name}/{file.stem}/{offset}"

    def get(self, address: str) -> M | None:
        """Return the message at `address`, with its field `address` set; None if it was deleted or never existed."""
        found = self._address.fullmatch(address)
        if not found:
            return None
        with self._guarded():
            return self._read(found[1], int(found[2]))

    def finish(self, addresses: Iterable[str], outcome: Finish) -> None:
        """Mark messages as finished. Addresses that no longer exist are ignored."""
        offsets: dict[str, list[int]] = {}
        for found in filter(None, map(self._address.fullmatch, addresses)):
            offsets.setdefault(found[1], []).append(int(found[2]))
        with self._guarded():
            for name, those in offsets.items():
                write_marks(self._marks(name), those, FinishMark(self._clock(), outcome))

    def reopen(self, address: str) -> bool:
        """Mark a finished message as unfinished. Return False if the message no longer exists."""
        found = self._address.fullmatch(address)
        with self._guarded():
            if not found or not self._marks(found[1]).is_file() or not self._read(found[1], int(found[2])):
                return False
            remove_marks(self._marks(found[1]), int(found[2]))
        return True

    def unfinished(self) -> list[str]:
        """Return the addresses of the unfinished messages, earliest first."""
        return [address for address, _, mark in self.marked() if mark is None]

    def marked(self) -> Iterator[tuple[str, M, FinishMark | None]]:
        """Yield each message: its address, the message without audio, and its mark if it is finished."""
        for name in self._names():
            # Another process may have deleted the segment, and segments of older versions have no marks.
            with self._named_errors(), suppress(FileNotFoundError):
                found = read_marks(self._marks(name))
                with self._file(name).open("rb") as file:
                    for offset, _, message in scan_records(file, 0, os.fstat(file.fileno()).st_size, self._kind):
                        yield f"{self._name}/{name}/{offset}", message, found.get(offset)

    def expire(self, now: float) -> None:
        """Delete segments that are too old or too large at `now` (UTC seconds).

        `put` does so, too. This method does it while nothing is written.
        """
        with self._guarded():
            self._forget(now)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        with self._named_errors(), self._lock:
            yield

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DependencyError(
                f"The look-back {self.folder} cannot be used: {error.strerror}", "Check its disk space and its owner."
            ) from error

    def _writable(self, size: int) -> Path:
        """Return the segment for the next `size` bytes: the open one, or a new one if that is full or old."""
        now = self._clock()
        if self._segment:
            file = self._file(self._segment)
            fits = file.exists() and file.stat().st_size + size <= self._keep_bytes / SHARE
            if fits and now - _opened(self._segment) < self._keep_seconds / SHARE:
                return file
        # The random part keeps names apart if the clock was set back.
        self._segment = f"{max(0, round(now * 1000)):013d}-{secrets.token_hex(4)}"
        file = self._file(self._segment)
        # The marks first: a segment without marks counts as one of an older version.
        self._marks(self._segment).touch(private_files.FILE)
        file.touch(private_files.FILE, exist_ok=False)
        self._forget(now, size)
        return file

    def _forget(self, now: float, coming: int = 0) -> None:
        # A segment is written for at most one share of the time. So the time when it was opened shows its age.
        # The size of the marks, 17 bytes a message, is ignored.
        oldest = now - self._keep_seconds - self._keep_seconds / SHARE
        names = self._names()
        room = self._keep_bytes - max(self._keep_bytes // SHARE, coming)  # minus the space in which the newest may grow
        for name in reversed(names):
            room -= self._file(name).stat().st_size
            if (room < 0 and name != names[-1]) or _opened(name) < oldest:
                self._marks(name).unlink(missing_ok=True)
                self._file(name).unlink(missing_ok=True)

    def _read(self, name: str, offset: int) -> M | None:
        try:
            with self._file(name).open("rb") as file:
                found = read_record(file, offset, self._kind)
        except FileNotFoundError:
            return None
        return found and msgspec.structs.replace(found, address=f"{self._name}/{name}/{offset}")

    def _names(self) -> list[str]:
        names = (file.name.removesuffix(self._suffix) for file in self.folder.glob(f"*{self._suffix}"))
        return sorted(name for name in names if NAME.fullmatch(name))

    def _file(self, name: str) -> Path:
        return self.folder / (name + self._suffix)

    def _marks(self, name: str) -> Path:
        return self.folder / (name + MARKS_SUFFIX)


def _opened(name: str) -> float:
    """Return the time when a segment was opened, in UTC seconds."""
    return int(name.partition("-")[0]) / 1000
