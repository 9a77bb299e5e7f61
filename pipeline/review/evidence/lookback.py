"""The look-back: the utterance log of the local runner, on one machine's disk. On Kafka it is `voice.utterances`.

The look-back appends utterances to segment files and never changes them. It deletes whole segments that are too old,
and the oldest ones when all segments together are too large. The index is built from the files. So a reader finds all
utterances that were written before a crash or by another process. A crash loses only the record that was being
written. One process at a time writes to a folder.

Marks beside each segment (`marks.py`) tell which utterances are finished. After a crash, the others are judged again.
"""

import errno
import os
import re
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import msgspec

from pipeline import private_files, recordfile
from pipeline.errors import DependencyError, InputError
from pipeline.messages import Utterance
from pipeline.review.evidence import marks
from pipeline.review.evidence.log import UtteranceLog
from pipeline.review.evidence.marks import Finish, FinishMark
from pipeline.settings import Settings

NAME = re.compile(r"\d{13}-[0-9a-f]{8}")
"""Name of a segment: the time when it was opened, in milliseconds, and a random part."""
ADDRESS = re.compile(rf"lookback/({NAME.pattern})/(\d{{1,12}})")
SUFFIX = ".utterances"
NOWHERE = "`voxwarden run` makes it; set data_dir to the folder that `voxwarden run` uses."
SHARE = 24
"""A segment holds 1/SHARE of the look-back's time and size. It is the smallest part that can be deleted."""
MAX_ENTRIES = 200_000
"""Entries in the index, about 60 MB. `before` and `latest` do not find older utterances; `get` needs no index."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """The place of an utterance, and the fields by which `before` and `latest` search."""

    start: float
    end: float
    segment: str
    offset: int
    speaker: tuple[str, str]

    @property
    def address(self) -> str:
        """The address of the utterance, as `put` returned it."""
        return f"lookback/{self.segment}/{self.offset}"


class Lookback(UtteranceLog):
    """Utterance log on disk. It keeps at most `keep_seconds` and `keep_bytes`; `clock` returns UTC seconds.

    It is safe to use from several threads. Methods raise DependencyError if the disk fails.
    """

    def __init__(
        self,
        folder: Path,
        keep_seconds: float,
        keep_bytes: int,
        clock: Callable[[], float] = time.time,
        max_entries: int = MAX_ENTRIES,
    ) -> None:
        self.folder = folder
        self._keep_seconds = keep_seconds
        self._keep_bytes = keep_bytes
        self._clock = clock
        self._max_entries = max_entries
        self._lock = Lock()
        self._segment = ""  # the segment that is being written; empty: none
        self._read_to: dict[str, int] = {}
        self._entries: deque[IndexEntry] = deque()
        self._by_speaker: dict[tuple[str, str], deque[IndexEntry]] = {}
        with self._guarded():
            private_files.open_folder(folder)
            self._forget(clock())

    def put(self, utterance: Utterance) -> str:
        """Append an utterance and return its address."""
        record = recordfile.pack(msgspec.structs.replace(utterance, address=None))
        with self._guarded():
            file = self._writable(len(record))
            try:
                with file.open("ab", buffering=0) as segment:
                    offset = segment.tell()
                    if segment.write(record) != len(record):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                self._segment = ""  # a reader stops at the broken record, so the next one goes to a new segment
                raise
        return f"lookback/{file.stem}/{offset}"

    def get(self, address: str) -> Utterance | None:
        found = ADDRESS.fullmatch(address)
        if not found:
            return None
        with self._guarded():
            return self._read(found[1], int(found[2]))

    def before(self, room: str, speaker: str, start: float, seconds: float, address: str) -> list[Utterance]:
        with self._guarded():
            self._catch_up()
            wanted = [
                entry
                for entry in self._by_speaker.get((room, speaker), ())
                if entry.start < start and entry.end > start - seconds and entry.address != address
            ]
            found = [self._read(entry.segment, entry.offset) for entry in sorted(wanted, key=lambda e: e.start)]
        return [utterance for utterance in found if utterance]

    def latest(self, room: str, speaker: str | None, end: float, seconds: float) -> Iterator[list[Utterance]]:
        with self._guarded():
            self._catch_up()
            wanted = [
                entry
                for known, entries in self._by_speaker.items()
                if known[0] == room and speaker in {None, known[1]}
                for entry in entries
                if entry.start < end and entry.end > end - seconds
            ]
            found = [self._read(entry.segment, entry.offset) for entry in sorted(wanted, key=lambda e: e.start)]
        return iter([[utterance for utterance in found if utterance]])

    def newest(self, room: str, speaker: str) -> Utterance | None:
        """Return the speaker's utterance that ends last; None if there is none."""
        with self._guarded():
            self._catch_up()
            entries = self._by_speaker.get((room, speaker), ())
            last = max(entries, key=lambda entry: entry.end, default=None)
            return self._read(last.segment, last.offset) if last else None

    def finish(self, addresses: Iterable[str], outcome: Finish) -> None:
        """Mark utterances as finished. Addresses that no longer exist are ignored."""
        offsets: dict[str, list[int]] = {}
        for found in filter(None, map(ADDRESS.fullmatch, addresses)):
            offsets.setdefault(found[1], []).append(int(found[2]))
        with self._guarded():
            for name, those in offsets.items():
                marks.write(self._marks(name), those, FinishMark(self._clock(), outcome))

    def reopen(self, address: str) -> bool:
        """Mark a finished utterance as unfinished. Return False if the utterance no longer exists."""
        found = ADDRESS.fullmatch(address)
        with self._guarded():
            if not found or not self._marks(found[1]).is_file() or not self._read(found[1], int(found[2])):
                return False
            marks.remove(self._marks(found[1]), int(found[2]))
        return True

    def unfinished(self) -> list[str]:
        """Return the addresses of the unfinished utterances, earliest first."""
        return [address for address, _, mark in self.marked() if mark is None]

    def marked(self) -> Iterator[tuple[str, Utterance, FinishMark | None]]:
        """Yield each utterance: its address, the utterance without audio, and its mark if it is finished."""
        for name in self._names():
            # Another process may have deleted the segment, and segments of older versions have no marks.
            with self._named_errors(), suppress(FileNotFoundError):
                found = marks.read(self._marks(name))
                with self._file(name).open("rb") as file:
                    for offset, _, utterance in recordfile.scan(file, 0, os.fstat(file.fileno()).st_size, Utterance):
                        yield f"lookback/{name}/{offset}", utterance, found.get(offset)

    def expire(self, now: float) -> None:
        """Delete segments that are too old or too large at `now` (UTC seconds).

        `put` does so, too. This method does it while nobody speaks.
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
        self._segment = f"{max(0, round(now * 1000)):013d}-{secrets.token_hex(4)}"
        file = self._file(self._segment)
        self._marks(self._segment).touch(private_files.FILE)
        file.touch(private_files.FILE, exist_ok=False)
        self._forget(now, size)
        return file

    def _forget(self, now: float, coming: int = 0) -> None:
        # A segment is written for at most one share of the time. So the time when it was opened shows its age.
        # The size of the marks, 17 bytes an utterance, is ignored.
        oldest = now - self._keep_seconds - self._keep_seconds / SHARE
        names = self._names()
        room = self._keep_bytes - max(self._keep_bytes // SHARE, coming)  # minus the space in which the newest may grow
        for name in reversed(names):
            room -= self._file(name).stat().st_size
            if (room < 0 and name != names[-1]) or _opened(name) < oldest:
                self._marks(name).unlink(missing_ok=True)
                self._file(name).unlink(missing_ok=True)

    def _catch_up(self) -> None:
        """Add new utterances to the index, and drop deleted ones."""
        names = self._names()
        self._read_to = {name: self._read_to.get(name, 0) for name in names}
        while self._entries and self._entries[0].segment not in self._read_to:
            self._drop_oldest()
        for name in names:
            self._scan(name)

    def _scan(self, name: str) -> None:
        size = self._file(name).stat().st_size
        if self._read_to[name] == size:
            return
        with self._file(name).open("rb") as file:
            for offset, following, utterance in recordfile.scan(file, self._read_to[name], size, Utterance):
                self._read_to[name] = following
                entry = IndexEntry(utterance.start, utterance.end, name, offset, (utterance.room, utterance.speaker))
                self._entries.append(entry)
                self._by_speaker.setdefault(entry.speaker, deque()).append(entry)
                if len(self._entries) > self._max_entries:
                    self._drop_oldest()

    def _drop_oldest(self) -> None:
        speaker = self._entries.popleft().speaker
        self._by_speaker[speaker].popleft()
        if not self._by_speaker[speaker]:
            del self._by_speaker[speaker]

    def _read(self, name: str, offset: int) -> Utterance | None:
        try:
            with self._file(name).open("rb") as file:
                found = recordfile.read(file, offset, Utterance)
        except FileNotFoundError:
            return None
        return found and msgspec.structs.replace(found, address=f"lookback/{name}/{offset}")

    def _names(self) -> list[str]:
        names = (file.name.removesuffix(SUFFIX) for file in self.folder.glob(f"*{SUFFIX}"))
        return sorted(name for name in names if NAME.fullmatch(name))

    def _file(self, name: str) -> Path:
        return self.folder / (name + SUFFIX)

    def _marks(self, name: str) -> Path:
        return self.folder / (name + marks.SUFFIX)


def _opened(name: str) -> float:
    """Return the time when a segment was opened, in UTC seconds."""
    return int(name.partition("-")[0]) / 1000


def open_lookback(settings: Settings, clock: Callable[[], float] = time.time) -> Lookback:
    """Open the look-back of this machine under `data_dir`; create it if it does not exist."""
    store = settings.store
    return Lookback(settings.data_dir / "lookback", store.lookback_hours * 3600, store.lookback_bytes, clock)


def existing_lookback(settings: Settings) -> Lookback:
    """Open the look-back that `voxwarden run` made. Raises InputError if there is none."""
    if not (folder := settings.data_dir / "lookback").is_dir():
        raise InputError(f"There is no look-back at {folder}", NOWHERE)
    return open_lookback(settings)
