"""The log of utterances and sounds: what every log of this kind can do, and the look-back on the disk of one machine.

Audio is written once. Transcripts and flags contain only its address. The deliver stage reads flagged audio back. On
Kafka, the log is the topics `voice.utterances` and `voice.sounds`.

The index is built from the files. So a reader finds all utterances that another process wrote. Sounds are in a log of
their own, in the folder beside, which needs no index.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from pipeline.base.recent_dict import RecentDict
from pipeline.contract.messages import EarlyUtterance, Sound, Utterance, utterance_of
from pipeline.review.evidence import segments
from pipeline.review.evidence.segments import Finish, SegmentLog
from pipeline.settings import Settings


class UtteranceLog(Protocol):
    """Utterances by address, until their retention ends. Methods raise DependencyError if the log does not answer."""

    def get(self, address: str) -> Utterance | None:
        """Return the utterance at `address`, with its field `address` set; None if it was deleted or never existed."""

    def sound(self, address: str) -> Sound | None:
        """Return the sound at `address`, as `get` does with an utterance."""

    def before(self, room: str, speaker: str, start: float, seconds: float, address: str) -> list[Utterance]:
        """Return the speaker's utterances in this room that overlap the `seconds` before `start`, earliest first.

        `start` is in UTC seconds. `address` is the address of the utterance that begins at `start`; it is not in the
        result. A log that has no index by time reads backwards from this address.
        """

    def latest(self, room: str, speaker: str | None, end: float, seconds: float) -> Iterator[list[Utterance]]:
        """Yield the utterances of one speaker, or of all (None), in this room in the `seconds` before `end`.

        `end` is in UTC seconds. An utterance that overlaps this time is returned whole. They come in parts, in any
        order; some parts are empty. Each part is read when the caller asks for it. The caller may use the log's other
        methods in between.
        """

    def expire(self, now: float) -> None:
        """Delete utterances whose retention is over at `now` (UTC seconds). Kafka does so itself."""
        return

    def close(self) -> None:
        """Release connections and files."""
        return


SUFFIX = ".utterances"
NOWHERE = "`voxwarden run` makes it; set data_dir to the folder that `voxwarden run` uses."
SOUNDS_SHARE = 8
"""Sounds may take 1/SOUNDS_SHARE of the utterances' size, beside it."""
MAX_EARLY = 200
"""Speech so far that is kept, about 40 MB."""
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


class Lookback(SegmentLog[Utterance], UtteranceLog):
    """Utterances on disk. It keeps at most `keep_seconds` and `keep_bytes`; `clock` returns UTC seconds.

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
        super().__init__(folder, Utterance, "lookback", SUFFIX, keep_seconds, keep_bytes, clock)
        self._max_entries = max_entries
        self._read_to: dict[str, int] = {}
        self._entries: deque[IndexEntry] = deque()
        self._by_speaker: dict[tuple[str, str], deque[IndexEntry]] = {}
        beside = folder.with_name(f"{folder.name}-sounds")
        self._early = RecentDict[str, Utterance](MAX_EARLY)
        self.sounds = SegmentLog(beside, Sound, "sounds", ".sounds", keep_seconds, keep_bytes // SOUNDS_SHARE, clock)

    def get(self, address: str) -> Utterance | None:
        return self._early.get(address) or super().get(address)

    def put_early(self, speech: EarlyUtterance) -> str:
        """Keep speech so far for the clip of an early flag. Return its address. In memory: its utterance follows."""
        address = f"early/{speech.id}"
        self._early[address] = replace(utterance_of(speech), address=address)
        return address

    def sound(self, address: str) -> Sound | None:
        return self.sounds.get(address)

    def finish(self, addresses: Iterable[str], outcome: Finish) -> None:
        """Mark utterances and sounds as finished. Addresses that no longer exist are ignored."""
        known = list(addresses)
        super().finish(known, outcome)
        self.sounds.finish(known, outcome)

    def reopen(self, address: str) -> bool:
        return super().reopen(address) or self.sounds.reopen(address)

    def expire(self, now: float) -> None:
        super().expire(now)
        self.sounds.expire(now)

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
        # A disk is fast enough for one part. Kafka needs several.
        return iter([[utterance for utterance in found if utterance]])

    def _catch_up(self) -> None:
        """Add new utterances to the index, and drop deleted ones."""
        names = self._names()
        self._read_to = {name: self._read_to.get(name, 0) for name in names}
        # Whole segments are deleted, the oldest first, so deleted entries are at the front.
        while self._entries and self._entries[0].segment not in self._read_to:
            self._drop_oldest()
        for name in names:
            self._scan(name)

    def _scan(self, name: str) -> None:
        size = self._file(name).stat().st_size
        # Only the newest file grows.
        if self._read_to[name] == size:
            return
        with self._file(name).open("rb") as file:
            for offset, following, utterance in segments.scan_records(file, self._read_to[name], size, Utterance):
                self._read_to[name] = following
                entry = IndexEntry(utterance.start, utterance.end, name, offset, (utterance.room, utterance.speaker))
                self._entries.append(entry)
                self._by_speaker.setdefault(entry.speaker, deque()).append(entry)
                if len(self._entries) > self._max_entries:
                    self._drop_oldest()

    def _drop_oldest(self) -> None:
        speaker = self._entries.popleft().speaker
        # Both queues have the order of the files, so it is the same entry.
        self._by_speaker[speaker].popleft()
        if not self._by_speaker[speaker]:
            del self._by_speaker[speaker]


def open_lookback(settings: Settings, clock: Callable[[], float] = time.time) -> Lookback:
    """Open the look-back of this machine under `data_dir`; create it if it does not exist."""
    store = settings.store
    return Lookback(settings.data_dir / "lookback", store.lookback_hours * 3600, store.lookback_bytes, clock)
