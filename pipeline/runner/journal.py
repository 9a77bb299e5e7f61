"""Keeps the audio that the one-machine runner has taken but not cut into utterances yet, on disk in case of a crash.

Each chunk is appended to a page file when it is taken. A page is closed after a few seconds. A file of marks beside it
tells which of its chunks are cut: the segment stage has processed them, and no unfinished speech needs them. After a
crash, the chunks without a mark are processed again. Times in the audio decide nothing, because clocks may jump.

A page whose chunks all have marks is kept a little longer, with a list of the utterances that were cut meanwhile. After
a crash, the segment stage hears its audio first, so that it cuts the audio after it as before. A clean stop leaves no
pages.
"""

import errno
import os
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from threading import Lock

from msgspec.structs import replace

from pipeline.base import private_files
from pipeline.base.errors import DependencyError
from pipeline.contract.messages import AudioChunk, Utterance
from pipeline.review.evidence import segments
from pipeline.review.evidence.segments import Recorded

SUFFIX = ".audio"
AGAIN = ".again"
"""Suffix of a page with a replayed dead letter, which another process may write."""
MARKS_SUFFIX, SENT_SUFFIX = ".cut", ".sent"
MARK = struct.Struct(">Q")
"""A mark: the offset of a chunk in the page, big-endian."""
PAGE_SECONDS = 5.0
PAGE_BYTES = 8_000_000  # a page is closed when it is older than PAGE_SECONDS or larger than PAGE_BYTES

Speaker = tuple[str, str]
"""Room and speaker."""
Needed = Callable[[str, str], int]
"""For a room and speaker: how many of the latest chunks that the segment stage has processed it still needs."""


@dataclass(slots=True, eq=False)
class Page:
    """One file of the journal."""

    path: Path
    opened: float
    size: int = 0
    uncut: int = 0
    """Number of its chunks that have no mark."""

    @property
    def marks(self) -> Path:
        """The file of its marks."""
        return self.path.with_name(self.path.name + MARKS_SUFFIX)

    @property
    def sent(self) -> Path:
        """The file of the utterances, without audio, that were cut while it was the latest page."""
        return self.path.with_name(self.path.name + SENT_SUFFIX)


@dataclass(slots=True)
class Line:
    """The chunks of one speaker that have no mark."""

    chunks: deque[tuple[Page, int]] = field(default_factory=deque)
    """The page and the offset of each, in order."""
    processed: int = 0
    """How many of them were processed. It is too large while a chunk is processed before it is added."""


class Journal:
    """`add` stores a chunk, and `taken` marks what is cut. `cut`, `sent` and `left` read what the last process left.

    A page stays for `keep_seconds` after its last chunk. `clock` returns seconds of any monotonic clock. The journal is
    safe to use from two threads. All methods raise DependencyError if the disk fails.
    """

    def __init__(self, folder: Path, keep_seconds: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._lock = Lock()
        self._lines: dict[Speaker, Line] = {}
        self._cut: list[tuple[Page, int]] = []
        self._left: list[tuple[Page, int]] = []
        self._sent: list[Utterance] = []
        with self._guarded():
            private_files.open_folder(folder)
            found = sorted(path for path in folder.iterdir() if path.suffix in {SUFFIX, AGAIN})
            self._pages = deque(Page(path, clock()) for path in found)
            for page in self._pages:
                marked = _read_marks(page.marks)
                self._sent += (utterance for _, utterance in _scan(page.sent, Utterance))
                for offset, _ in _scan(page.path, AudioChunk):
                    (self._cut if offset in marked else self._left).append((page, offset))
                    page.uncut += offset not in marked
        self._open: Page | None = None
        self._next = 1 + max((int(path.stem) for path in found if path.stem.isdecimal()), default=0)

    def add(self, chunk: AudioChunk) -> None:
        """Store a chunk until it is cut into utterances."""
        record = segments.pack_record(chunk)
        with self._guarded():
            page = self._writable()
            try:
                _append(page.path, record)
            except OSError:
                self._open = None  # the rest of a page after an incomplete record cannot be read
                raise
            self._note(page, page.size, chunk)
            page.uncut += 1
            page.size += len(record)

    def add_again(self, chunk: AudioChunk) -> None:
        """Store a dead letter's `chunk`, so that the next process processes it again."""
        with self._guarded():
            _append(self.folder / f"{self._next:012d}{AGAIN}", segments.pack_record(chunk))
            self._next += 1

    def cut(self) -> Iterator[AudioChunk]:
        """Yield the latest chunks that the last process took and cut, in order."""
        for page, offset in self._cut:
            with self._guarded():
                found = _read(page.path, offset)
            if found:
                yield found

    def sent(self) -> Sequence[Utterance]:
        """The utterances, without audio, that the last process cut from the chunks of `cut`, and from `left`."""
        return self._sent

    def left(self) -> Iterator[AudioChunk]:
        """Yield the chunks that the last process took but did not cut, in order. Each counts as added."""
        for page, offset in self._left:
            with self._guarded():  # not around `yield`: the segment stage calls `taken` meanwhile
                found = _read(page.path, offset)
                if found:
                    self._note(page, offset, found)
                else:
                    page.uncut -= 1
            if found:
                yield found

    def taken(self, chunks: Iterable[AudioChunk], needed: Needed, cut: Iterable[Utterance] = ()) -> None:
        """Note that the segment stage has processed `chunks`, or no chunks but time, and that the look-back has `cut`.

        Marks the chunks that it needs no longer, and deletes old pages. If this fails, it can be repeated.
        """
        processed = Counter((chunk.room, chunk.speaker) for chunk in chunks)
        with self._guarded():
            self._delete_old()  # first: no step that may fail follows the marks
            lines = {speaker: self._lines.setdefault(speaker, Line()) for speaker in processed or [*self._lines]}
            spent = {
                speaker: max(0, min(line.processed + processed[speaker] - needed(*speaker), len(line.chunks)))
                for speaker, line in lines.items()
            }
            if self._pages and (records := [segments.pack_record(replace(each, data=b"")) for each in cut]):
                _append(self._pages[-1].sent, b"".join(records))
            self._mark(each for speaker, line in lines.items() for each in islice(line.chunks, spent[speaker]))
            for speaker, line in lines.items():
                line.processed += processed[speaker] - spent[speaker]
                for _ in range(spent[speaker]):
                    line.chunks.popleft()[0].uncut -= 1
                if not line.chunks and not line.processed:
                    del self._lines[speaker]

    def close(self) -> None:
        """Note that all audio is processed and cut, and delete all pages."""
        with self._guarded():
            self._open = None
            self._lines.clear()
            while self._pages:
                _delete(self._pages[0])
                self._pages.popleft()

    def _writable(self) -> Page:
        if self._open and (self._clock() - self._open.opened >= PAGE_SECONDS or self._open.size >= PAGE_BYTES):
            self._open = None
        if not self._open:
            self._open = Page(self.folder / f"{self._next:012d}{SUFFIX}", self._clock())
            self._next += 1
            self._pages.append(self._open)
        return self._open

    def _note(self, page: Page, offset: int, chunk: AudioChunk) -> None:
        self._lines.setdefault((chunk.room, chunk.speaker), Line()).chunks.append((page, offset))

    def _mark(self, chunks: Iterable[tuple[Page, int]]) -> None:
        marks: dict[Page, bytes] = {}
        for page, offset in chunks:
            marks[page] = marks.get(page, b"") + MARK.pack(offset)
        for page, content in marks.items():
            _append(page.marks, content)

    def _delete_old(self) -> None:
        oldest = self._clock() - PAGE_SECONDS - self._keep_seconds
        while self._pages and not self._pages[0].uncut and self._pages[0].opened <= oldest:
            if self._pages[0] is self._open:
                self._open = None
            _delete(self._pages[0])
            self._pages.popleft()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except OSError as error:
            raise DependencyError(
                f"The journal {self.folder} cannot be used: {error.strerror}", "Check its disk space and its owner."
            ) from error


def _append(path: Path, record: bytes) -> None:
    # No fsync: a killed process loses nothing. Only a power failure may lose what the operating system has not written.
    target = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, private_files.FILE)
    try:
        size = os.fstat(target).st_size
        if os.write(target, record) != len(record):  # a disk that is almost full takes a part, without an error
            os.ftruncate(target, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(target)


def _delete(page: Page) -> None:
    page.path.unlink(missing_ok=True)  # first: marks without a page are nothing, a page without marks is not cut
    page.marks.unlink(missing_ok=True)
    page.sent.unlink(missing_ok=True)


def _read_marks(path: Path) -> set[int]:
    with suppress(FileNotFoundError):
        content = path.read_bytes()
        return {offset for (offset,) in MARK.iter_unpack(content[: len(content) - len(content) % MARK.size])}
    return set()


def _scan(path: Path, kind: type[Recorded]) -> list[tuple[int, Recorded]]:
    with suppress(FileNotFoundError), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return [(offset, found) for offset, _, found in segments.scan_records(file, 0, size, kind)]
    return []


def _read(path: Path, offset: int) -> AudioChunk | None:
    with suppress(FileNotFoundError), path.open("rb") as file:
        return segments.read_record(file, offset, AudioChunk)
    return None
