"""Keeps the audio that the one-machine runner has taken but not cut into utterances yet, on disk in case of a crash.

Each chunk is appended to a page file when it is taken. A page is closed after a few seconds. It is deleted when the
segment stage has processed all of it and no unfinished speech needs it. A clean stop leaves no pages. After a crash,
the chunks that no utterance in the look-back covers are processed again.
"""

import errno
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from pipeline.base import private_files
from pipeline.base.errors import DependencyError
from pipeline.contract.messages import AudioChunk
from pipeline.review.evidence import segments

SUFFIX = ".audio"
# Suffix of a page with replayed dead letters. Its audio is processed again, even if utterances cover its time.
AGAIN = ".again"
PAGE_SECONDS = 5.0
PAGE_BYTES = 8_000_000  # a page is closed when it is older than PAGE_SECONDS or larger than PAGE_BYTES

Speaker = tuple[str, str]
"""Room and speaker."""
HeldSince = Callable[[str, str], float | None]
"""For a room and speaker: UTC start of the oldest audio that unfinished speech still needs; None if it needs none."""


@dataclass(slots=True)
class Page:
    """One file of the journal."""

    path: Path
    opened: float
    size: int = 0
    closed: bool = False
    until: int = 0
    """Number of the last chunk in the page."""
    ends: dict[Speaker, float] = field(default_factory=dict)
    """UTC seconds at which each speaker's audio in the page ends; inf until a later page has more of the speaker."""


class Journal:
    """`add` stores a chunk, `taken` notes processed chunks, and `left` reads the chunks that the last process left.

    Safe to use from two threads. All methods raise DependencyError if the disk fails.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self._clock = clock
        self._lock = Lock()
        self._added = self._taken = 0
        self._latest: dict[Speaker, Page] = {}
        with self._guarded():
            private_files.open_folder(folder)
            found = sorted(path for path in folder.iterdir() if path.suffix in {SUFFIX, AGAIN})
        self._left = [Page(path, 0.0) for path in found]
        self._pages = deque(self._left)
        self._open: Page | None = None
        self._next = 1 + max((int(path.stem) for path in found if path.stem.isdecimal()), default=0)

    def add(self, chunk: AudioChunk) -> None:
        """Store a chunk until it is cut into utterances."""
        record = segments.pack_record(chunk)
        with self._guarded():
            page = self._writable()
            self._note(page, chunk)
            page.size += len(record)
            try:
                _append(page.path, record)
            except OSError:
                self._close_page()  # the rest of a page after an incomplete record cannot be read
                raise

    def add_again(self, chunk: AudioChunk) -> None:
        """Store a dead letter's `chunk`, so that the next process processes it again."""
        with self._guarded():
            _append(self.folder / f"{self._next:012d}{AGAIN}", segments.pack_record(chunk))
            self._next += 1

    def left(self, cut_to: Callable[[str, str], float]) -> Iterator[AudioChunk]:
        """Yield the chunks that the last process took but did not cut, in order. Each counts as added.

        `cut_to(room, speaker)` gives the UTC seconds up to which the speaker's audio was cut into utterances.
        """
        needed = self._uncut(cut_to)
        for page in self._left:
            for offset in reversed(needed.get(page.path, [])):
                with self._guarded():  # not around `yield`: the segment stage calls `taken` meanwhile
                    found = _read(page.path, offset)
                    if found:
                        self._note(page, found)
                if found:
                    yield found
            page.closed = True

    def taken(self, count: int, held_since: HeldSince) -> None:
        """Note that the segment stage has processed `count` more chunks, and delete the pages that nobody needs now."""
        with self._guarded():
            self._taken += count
            if self._open and self._full(self._open):  # without new audio, `add` does not close it
                self._close_page()
            while self._pages and self._finished(self._pages[0], held_since):
                self._forget(self._pages.popleft())

    def close(self) -> None:
        """Note that all audio is processed and cut, and delete all pages."""
        with self._guarded():
            self._close_page()
        self.taken(0, lambda *_: None)

    def _writable(self) -> Page:
        if self._open and self._full(self._open):
            self._close_page()
        if not self._open:
            self._open = Page(self.folder / f"{self._next:012d}{SUFFIX}", self._clock())
            self._next += 1
            self._pages.append(self._open)
        return self._open

    def _close_page(self) -> None:
        if self._open:
            self._open.closed = True
        self._open = None

    def _full(self, page: Page) -> bool:
        return self._clock() - page.opened >= PAGE_SECONDS or page.size >= PAGE_BYTES

    def _note(self, page: Page, chunk: AudioChunk) -> None:
        speaker = (chunk.room, chunk.speaker)
        last = self._latest.get(speaker)
        if last and last is not page:
            last.ends[speaker] = chunk.start
        self._latest[speaker] = page
        page.ends[speaker] = math.inf
        self._added += 1
        page.until = self._added

    def _finished(self, page: Page, held_since: HeldSince) -> bool:
        if not page.closed or page.until > self._taken:
            return False
        held = ((held_since(*speaker), end) for speaker, end in page.ends.items())
        return all(since is None or since >= end for since, end in held)

    def _forget(self, page: Page) -> None:
        page.path.unlink(missing_ok=True)
        for speaker in page.ends:
            if self._latest.get(speaker) is page:
                del self._latest[speaker]

    def _uncut(self, cut_to: Callable[[str, str], float]) -> dict[Path, list[int]]:
        """Offsets of the chunks that are still needed, latest first. A chunk ends where the speaker's next starts."""
        following: dict[Speaker, float] = {}
        found: dict[Path, list[int]] = {}
        with self._guarded():
            kept = [(page.path, offset, chunk) for page in self._left for offset, chunk in _scan(page.path)]
        for path, offset, chunk in reversed(kept):
            speaker = (chunk.room, chunk.speaker)
            if path.suffix == AGAIN or following.get(speaker, math.inf) > cut_to(*speaker):
                found.setdefault(path, []).append(offset)
            if path.suffix == SUFFIX:  # replayed chunks are not in the order of their time
                following[speaker] = chunk.start
        return found

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
        if os.write(target, record) != len(record):  # a disk that is almost full takes a part, without an error
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(target)


def _scan(path: Path) -> list[tuple[int, AudioChunk]]:
    with suppress(FileNotFoundError), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return [(offset, chunk) for offset, _, chunk in segments.scan_records(file, 0, size, AudioChunk)]
    return []


def _read(path: Path, offset: int) -> AudioChunk | None:
    with path.open("rb") as file:
        return segments.read_record(file, offset, AudioChunk)
