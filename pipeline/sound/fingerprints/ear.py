"""Hears the recordings of a bank in live rooms, and follows the changes of the bank."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import numpy as np

from pipeline.audio.resample import Samples
from pipeline.errors import VoxwardenError
from pipeline.messages import SAMPLE_RATE, HeardSound
from pipeline.settings import Settings
from pipeline.sharing import Shelf
from pipeline.sound.detector import SoundSpan
from pipeline.sound.fingerprints.bank import Bank
from pipeline.sound.fingerprints.fingerprint import Ban, Fingerprint
from pipeline.sound.fingerprints.index import LandmarkIndex
from pipeline.sound.fingerprints.matching import LEAST, STEP, Playback, RecordingMatcher
from pipeline.sound.fingerprints.spectrum import HOP

MODEL = "fingerprints@1"

GRID = math.lcm(HOP, STEP)
"""Samples (4 s). A matcher begins at a multiple of them since 1970, so that the same audio has the same frames."""

LOOK_SECONDS = 5.0
"""Seconds from one look at the folder of the bank to the next."""

log = logging.getLogger(__name__)


class LoadedBank(NamedTuple):
    """The recordings that can be read."""

    ids: tuple[str, ...]
    """Of all files, also the damaged ones."""
    landmarks: LandmarkIndex
    bans: dict[str, Ban]


class RecordingDetector:
    """Compares one stream with the bank. It begins at `start`, in 16 kHz samples since 1970 UTC."""

    def __init__(self, bank: LoadedBank, start: int) -> None:
        lead = start % GRID
        self._origin = start - lead
        self._bans = bank.bans
        self._matcher = RecordingMatcher(bank.landmarks)
        self._matcher.push(np.zeros(lead, np.float32))

    def push(self, samples: Samples) -> Sequence[SoundSpan]:
        return [self._span(playback) for playback in self._matcher.push(samples)]

    def flush(self) -> Sequence[SoundSpan]:
        return [self._span(playback) for playback in self._matcher.flush()]

    def _span(self, playback: Playback) -> SoundSpan:
        ban = self._bans[playback.recording]
        heard = HeardSound(
            kind="recording",
            name=ban.title,
            reference=playback.recording,
            score=score_of(playback.landmarks),
        )
        begin, end = (self._origin + round(seconds * SAMPLE_RATE) for seconds in (playback.begin, playback.end))
        return SoundSpan(heard, ban.label, begin, end, MODEL)


class RecordingEar:
    """Makes detectors for the recordings of a bank. `clock` is any monotonic clock in seconds.

    It looks at the folder from time to time. A changed bank is loaded in a thread of its own, because a large one takes
    seconds. Until then, the bank from before is used.
    """

    def __init__(self, bank: Bank, clock: Callable[[], float] = time.monotonic) -> None:
        self._bank = bank
        self._clock = clock
        self._looked = clock()
        self._loading: Thread | None = None
        self.edition = 0
        self._loaded = loaded(bank)

    @property
    def awake(self) -> bool:
        return bool(self._loaded.bans)

    def look(self) -> None:
        if self._clock() - self._looked < LOOK_SECONDS or (self._loading and self._loading.is_alive()):
            return
        self._looked = self._clock()
        self._loading = Thread(target=self._follow, name="fingerprints", daemon=True)
        self._loading.start()

    def wait(self) -> None:
        """Wait until a look has ended."""
        if self._loading:
            self._loading.join()

    def detector(self, start: int) -> RecordingDetector:
        return RecordingDetector(self._loaded, start)

    def _follow(self) -> None:
        """Load the bank if other recordings are in it now."""
        try:
            if tuple(self._bank.ids()) != self._loaded.ids:
                self._loaded = loaded(self._bank)
                self.edition += 1
        except VoxwardenError as error:
            log.warning("The bank from before is used: %s", error)


def loaded(bank: Bank) -> LoadedBank:
    """Load a bank. Files that cannot be read are named in the log. Raises InputError if it is too large."""
    bans: dict[str, Ban] = {}

    def readable() -> Iterator[Fingerprint]:
        for each in bank.all():
            if isinstance(each, VoxwardenError):
                log.error("%s", each)
            else:
                bans[each.id] = each.recording.ban
                yield each

    ids = tuple(bank.ids())
    return LoadedBank(ids, LandmarkIndex(readable()), bans)


def score_of(landmarks: int) -> float:
    """The score of a playback with this many landmarks at one offset: 0.5 for the least that count, and 1 for all."""
    return 1 - LEAST / (2 * landmarks)


def folder_of(settings: Settings) -> Path:
    """The folder of the bank."""
    return settings.data_dir / "fingerprints"


_shelf: Shelf[RecordingEar] = Shelf()


def shared(settings: Settings) -> RecordingEar:
    """The ear of this process for the bank of the settings."""
    bank = Bank(folder_of(settings))
    return _shelf.get(str(bank.folder), lambda: RecordingEar(bank))
