"""Hears the recordings of a bank in live rooms, and follows the changes of the bank."""

import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from threading import Thread
from typing import NamedTuple, Protocol

import numpy as np

from pipeline.base.errors import VoxwardenError
from pipeline.base.shared_models import SharedModels
from pipeline.contract.messages import SAMPLE_RATE, HeardSound
from pipeline.sound.fingerprints.fingerprint import Ban, BankState, Fingerprint
from pipeline.sound.fingerprints.landmark_index import LandmarkIndex
from pipeline.sound.fingerprints.matching import LEAST, STEP, RecordingMatcher, RecordingPlayback
from pipeline.sound.fingerprints.spectrum import HOP
from pipeline.sound.sound_detector import SoundSpan
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speaker_tracks import Key

MODEL = "fingerprints@2"

GRID = math.lcm(HOP, STEP)
"""Samples (4 s). A matcher begins at a multiple of them since 1970, so that the same audio has the same frames."""

LOOK_SECONDS = 5.0
"""Seconds from one look at the bank to the next."""

log = logging.getLogger(__name__)


STALE = 10
"""A bank is loaded again if its removed and its new recordings are more than one in so many."""


class RecordingBank(Protocol):
    """The recordings that must not be played (`pipeline/review/recording_bank.py`). Calls raise DependencyError."""

    def state(self) -> BankState:
        """Return the state of the bank, without the landmarks."""

    def fingerprints(self, names: Collection[str] | None = None) -> Iterator[Fingerprint]:
        """Yield the recordings with these ids, with their landmarks, by id. Without `names`, yield all."""


class LoadedBank(NamedTuple):
    """A bank in memory."""

    state: BankState
    landmarks: LandmarkIndex
    """It may still have removed recordings."""
    bans: dict[str, Ban]
    """The recordings that the bank has."""


class RecordingDetector:
    """Compares one stream with the bank. It begins at `start`, in 16 kHz samples since 1970 UTC."""

    def __init__(self, bank: LoadedBank, start: int) -> None:
        lead = start % GRID
        self._origin = start - lead
        self._bans = bank.bans
        self._matcher = RecordingMatcher(bank.landmarks)
        self._matcher.push(np.zeros(lead, np.float32))

    def push(self, samples: Samples) -> Sequence[SoundSpan]:
        return [*self._spans(self._matcher.push(samples))]

    def flush(self) -> Sequence[SoundSpan]:
        return [*self._spans(self._matcher.flush())]

    def _spans(self, playbacks: Iterable[RecordingPlayback]) -> Iterator[SoundSpan]:
        # The index may still have recordings that are no longer banned.
        return (self._span(each, self._bans[each.recording]) for each in playbacks if each.recording in self._bans)

    def _span(self, playback: RecordingPlayback, ban: Ban) -> SoundSpan:
        heard = HeardSound(
            kind="recording",
            name=ban.title,
            reference=playback.recording,
            score=score_of(playback.landmarks),
        )
        begin, end = (self._origin + round(seconds * SAMPLE_RATE) for seconds in (playback.begin, playback.end))
        return SoundSpan(heard, ban.label, begin, end, MODEL)


class RecordingDetectors:
    """Makes detectors for the recordings of a bank. `clock` is any monotonic clock in seconds.

    It looks at the bank from time to time. A changed one is loaded in a thread of its own, because a large one takes
    seconds. Until then, the bank from before is used.
    """

    def __init__(self, bank: RecordingBank, clock: Callable[[], float] = time.monotonic) -> None:
        self._bank = bank
        self._clock = clock
        self._looked = clock()
        self._loading: Thread | None = None
        self._problem = ""
        """The error of the last look; empty for none."""
        self.edition = 0
        self._loaded = loaded(bank)

    @property
    def size(self) -> int:
        """The number of recordings."""
        return len(self._loaded.bans)

    @property
    def awake(self) -> bool:
        return self.size > 0

    def look(self) -> None:
        if self._clock() - self._looked < LOOK_SECONDS or (self._loading and self._loading.is_alive()):
            return
        self._looked = self._clock()
        # A thread, because a database that is down must not stop the stage, and a large bank takes seconds to load.
        self._loading = Thread(target=self._follow, name="fingerprints", daemon=True)
        self._loading.start()

    def wait(self) -> None:
        """Wait until a look has ended."""
        if self._loading:
            self._loading.join()

    def detector(self, start: int, key: Key) -> RecordingDetector:
        del key  # all speakers are heard alike
        return RecordingDetector(self._loaded, start)

    def _follow(self) -> None:
        """Load the bank if it has changed. An error is logged once, because an outage may take hours."""
        try:
            if (state := self._bank.state()) != self._loaded.state:
                self._loaded = changed(self._bank, self._loaded, state)
                self.edition += 1  # last: detectors of the new edition must get the new bank
                log.info("The bank has %d recordings now", self.size)
            self._problem = ""
        except VoxwardenError as error:
            if str(error) != self._problem:
                log.warning("The bank from before is used: %s", error)
            self._problem = str(error)


def loaded(bank: RecordingBank) -> LoadedBank:
    """Load a bank. Raises InputError if it is too large, and DependencyError."""
    bans: dict[str, Ban] = {}

    def noted() -> Iterator[Fingerprint]:
        for each in bank.fingerprints():
            bans[each.id] = each.recording.ban
            yield each

    landmarks = LandmarkIndex(noted())
    # The state of what was read: the bank may have changed since its own state was asked for.
    return LoadedBank(state_of(bans), landmarks, bans)


def changed(bank: RecordingBank, before: LoadedBank, state: BankState) -> LoadedBank:
    """Follow a bank from `before` to `state`. It reads only new recordings, and hides removed ones.

    After many changes it loads the whole bank. Raises InputError if it is too large, and DependencyError.
    """
    listed, known = {*state}, {*before.landmarks.ids}
    names = {name for name, _ in state}
    if STALE * len(names ^ known) > len(names):
        return loaded(bank)
    there = {name: ban for name, ban in before.bans.items() if (name, ban.added_at) in listed}
    new = [*bank.fingerprints(names - there.keys())]
    bans = there | {each.id: each.recording.ban for each in new}
    # A recording that is banned again has a new ban, but the same landmarks.
    more = [each for each in new if each.id not in known]
    return LoadedBank(state_of(bans), before.landmarks.with_more(more) if more else before.landmarks, bans)


def state_of(bans: Mapping[str, Ban]) -> BankState:
    return tuple((name, bans[name].added_at) for name in sorted(bans))


def score_of(landmarks: int) -> float:
    """The score of a playback with this many landmarks at one offset: 0.5 for the least that count, and 1 for all."""
    return 1 - LEAST / (2 * landmarks)


_shelf: SharedModels[RecordingDetectors] = SharedModels()


def shared_recording_detectors(url: str, bank: RecordingBank) -> RecordingDetectors:
    """The factory of this process for the bank of the store at `url`. Raises DependencyError."""
    return _shelf.get(url, lambda: RecordingDetectors(bank))
