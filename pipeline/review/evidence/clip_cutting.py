"""Cuts the clips of cases.

The clip of a flagged case has its speech and sounds from the log, and the same speaker's speech just before. The clip
of a reported case has the last minutes of the speaker or the room that the log still has.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import AudioError, CaseError, DependencyError
from pipeline.contract.messages import SAMPLE_RATE, Flag, Sound, Utterance
from pipeline.review.cases.case_values import CaseFile, ClipPiece, Evidence
from pipeline.review.cases.user_reports import Report
from pipeline.review.evidence.evidence_store import EvidenceOutage, StoreAway, checksum
from pipeline.review.evidence.lookback import UtteranceLog
from pipeline.review.review_store import ReviewStore
from pipeline.speech.audio.encode import decode_flac, encode_opus_clip

logger = logging.getLogger(__name__)

Samples = NDArray[np.float32]
"""16 kHz mono, shape (samples,)."""

BITRATE = 24_000
"""Bits per second. This is enough for wideband speech that a moderator must understand."""

PREROLL_SECONDS = 5.0
"""Audio before a case that its clip contains, so that a moderator hears what led to it."""

MAX_SILENCE = 10.0
"""Seconds. A longer pause between two utterances is shortened to this length."""

SETTLE_SECONDS = 20.0
"""Seconds from a report to its clip. An utterance reaches the log when it ends, up to 15 s after it began."""

READ_SECONDS = 3.0
"""The most seconds that one run reads the log. Runs alternate with batches of flags and must not delay them."""

Pieces = list[tuple[float, Samples]]
"""Pieces of speech, each with the UTC seconds of its first sample."""


class ClipCutter:
    """Cuts the clips of cases."""

    def __init__(self, store: ReviewStore, outage: EvidenceOutage, log: UtteranceLog) -> None:
        self._store = store
        self._outage = outage
        self._log = log

    def cut(self, case: str, fresh: Collection[str], now: float) -> int:
        """Cut a clip for `case`, unless a clip already covers all of its time.

        If the store of the clips is away, the clip is awaited from `now` (UTC seconds) on. Return how many of the
        `fresh` flags (ids) have no audio left in the log.
        """
        try:
            return sum(flag in fresh for flag in self._cut(case))
        except StoreAway:
            with suppress(CaseError):  # an erasure has deleted the case meanwhile
                self._store.put_off_clip(case, now)
            return 0

    def cut_awaited(self, now: float) -> int | None:
        """Cut the clip that is awaited longest, and due at `now` (UTC seconds). Return how many flags have no audio.

        None: no clip is due, or the store of the clips is away.
        """
        awaited = None if self._outage.lasts else self._store.claim_clip(now)
        if awaited is None:
            return None
        unheard: list[str] = []
        try:
            unheard = self._cut(awaited.case)
        except StoreAway:
            return None
        except (DependencyError, OSError, MemoryError):
            raise
        except Exception as error:  # it must not end the process again and again
            logger.error("The clip of case %s cannot be cut: an unexpected %s", awaited.case, type(error).__name__)
        self._store.settle_clip(awaited)
        return len(unheard)

    def _cut(self, case: str) -> list[str]:
        """Cut a clip, unless one covers the case. Return the ids of the flags that have no audio. Raises StoreAway."""
        try:
            file = self._store.case(case)
        except CaseError:
            # Another worker has just merged this case into another one. It cuts the clip of both.
            logger.info("case %s is already merged into another case", case)
            return []
        if file.covered:
            return []
        if self._outage.lasts:
            raise StoreAway
        flagged = {flag.id: self._audio(flag) for flag in file.flags}
        self._write(file, *compose(self._pieces(flagged.values()), file.case.start - PREROLL_SECONDS))
        return [flag for flag, audio in flagged.items() if audio is None]

    def _audio(self, flag: Flag) -> Utterance | Sound | None:
        """Return the flag's utterance or sound; None if it is gone.

        The log may have reused the address for another person's utterance, which must not become evidence here.
        """
        read = self._log.sound if flag.sound else self._log.get
        found = read(flag.address) if flag.address else None
        return found if found and found.id == flag.utterance else None

    def _pieces(self, flagged: Collection[Utterance | Sound | None]) -> list[tuple[float, Samples]]:
        found = {audio.id: audio for audio in flagged if audio}
        if spoken := [audio for audio in found.values() if isinstance(audio, Utterance)]:
            first = min(spoken, key=lambda utterance: utterance.start)
            before = self._log.before(first.room, first.speaker, first.start, PREROLL_SECONDS, first.address or "")
            found |= {utterance.id: utterance for utterance in before}
        return [(audio.start, samples) for audio in found.values() if (samples := samples_of(audio)) is not None]

    def _write(self, file: CaseFile, samples: Samples, timeline: tuple[ClipPiece, ...]) -> None:
        case, seconds = file.case, len(samples) / SAMPLE_RATE
        # A longer old clip stays: it holds speech that the log no longer has.
        if timeline and all(clip.seconds < seconds for clip in file.evidence):
            store_clip(self._store, self._outage, case.id, case.start - PREROLL_SECONDS, case.end, samples, timeline)


def store_clip(
    store: ReviewStore,
    outage: EvidenceOutage,
    case: str,
    start: float,
    end: float,
    samples: Samples,
    timeline: tuple[ClipPiece, ...],
) -> None:
    """Store a clip as the only evidence of `case`. It was cut for the time from `start` to `end` (UTC seconds).

    Raises StoreAway if the store of the clips does not take it.
    """
    content = encode_opus_clip(samples, BITRATE)
    # The file comes before its row, so that a row never names a missing clip.
    with outage.storing() as evidence:
        path = evidence.put(case, start, content)
    clip = Evidence(
        path=path,
        case=case,
        start=start,
        end=end,
        seconds=len(samples) / SAMPLE_RATE,
        bytes=len(content),
        sha256=checksum(content),
        timeline=timeline,
    )
    try:
        unused = store.attach(clip)
    except CaseError:
        # The case was erased or merged meanwhile. No audio may stay without its case.
        unused = [path]
    # A hold that is placed later locks the clips of the database, and finds this one there.
    held = store.held(case)
    # The clip is stored. What fails from here on, the retention job repeats.
    with suppress(StoreAway), outage.storing() as evidence:
        for old in unused:
            evidence.discard(old)
        if held:
            evidence.hold(path, True)


def compose(pieces: Sequence[tuple[float, Samples]], begin: float) -> tuple[Samples, tuple[ClipPiece, ...]]:
    """Join pieces of speech into one clip. Return its samples, and the place of each piece in it.

    Each piece has the UTC seconds of its first sample. The clip contains nothing from before `begin` (UTC seconds). If
    two pieces overlap, the shared part plays once. Pauses keep their length, up to MAX_SILENCE.
    """
    parts: list[Samples] = []
    timeline: list[ClipPiece] = []
    written, played_to = 0, begin
    for start, samples in sorted(pieces, key=lambda piece: piece[0]):
        skipped = max(0, round((played_to - start) * SAMPLE_RATE))
        fresh = samples[skipped:]
        if not len(fresh):
            continue
        at = start + skipped / SAMPLE_RATE
        if timeline:
            pause = round(min(max(at - played_to, 0.0), MAX_SILENCE) * SAMPLE_RATE)
            parts.append(np.zeros(pause, np.float32))
            written += pause
        parts.append(fresh)
        timeline.append(ClipPiece(written / SAMPLE_RATE, at, len(fresh) / SAMPLE_RATE))
        written += len(fresh)
        played_to = at + len(fresh) / SAMPLE_RATE
    return np.concatenate(parts) if parts else np.zeros(0, np.float32), tuple(timeline)


def samples_of(audio: Utterance | Sound) -> Samples | None:
    """Decode the audio. If that fails, log a warning and return None."""
    try:
        return decode_flac(audio.data)
    except AudioError as error:
        logger.warning("the clip misses %s at %s: %s", audio.id, audio.address, error)
        return None


class ClipSearch:
    """A search in the log for the speech of a report, which may take several runs.

    `begin` and `end` are UTC seconds. `utterances` holds the utterances found so far.
    """

    def __init__(self, report: Report, begin: float, end: float, parts: Iterator[list[Utterance]]) -> None:
        self.report, self.begin, self.end = report, begin, end
        self.utterances: list[Utterance] = []
        self._parts = parts

    def read(self, over: Callable[[], bool]) -> bool:
        """Read until the end of the search or until `over` returns True. Return whether the search is complete."""
        for part in self._parts:
            self.utterances += part
            if over():
                return False
        return True


class ReportCutter:
    """Cuts the clips of reports. Each clip covers its whole case, up to the moment of the latest report.

    `clock` returns monotonic seconds.
    """

    def __init__(
        self,
        store: ReviewStore,
        outage: EvidenceOutage,
        log: UtteranceLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._outage = outage
        self._log = log
        self._clock = clock
        self._search: ClipSearch | None = None

    def run(self, now: float) -> bool:
        """Cut the clip of the oldest report that is due at `now` (UTC seconds), or continue the last search.

        Return whether a clip is done. A search that takes longer than READ_SECONDS continues in the next run. While the
        store of the clips is away, the reports wait.
        """
        if self._outage.lasts:
            return False
        search, self._search = self._search or self._begin(now), None  # None: after an error the search starts again
        if search is None:
            return False
        deadline = self._clock() + READ_SECONDS
        if not search.read(lambda: self._clock() >= deadline):
            self._search = search
            return False
        try:
            self._cut(search)
        except StoreAway:
            return False
        return True

    def _begin(self, now: float) -> ClipSearch | None:
        for report in self._store.awaiting_clip(now - SETTLE_SECONDS):
            with suppress(CaseError):  # an erasure has deleted the case meanwhile
                case = self._store.case(report.case).case
                utterances = self._log.latest(report.room, report.speaker or None, case.end, case.end - case.start)
                return ClipSearch(report, case.start, case.end, utterances)
        return None

    def _cut(self, search: ClipSearch) -> None:
        report, begin = search.report, search.begin
        try:
            file = self._store.case(report.case)
        except CaseError:
            return  # an erasure has deleted the case meanwhile
        samples, timeline = compose(mixed(search.utterances, begin), begin)
        # A longer old clip stays: it holds speech that the log no longer has.
        if timeline and all(clip.seconds < len(samples) / SAMPLE_RATE for clip in file.evidence):
            store_clip(self._store, self._outage, report.case, begin, search.end, samples, timeline)
        self._store.finish_search(report, {utterance.speaker for utterance in search.utterances} if timeline else set())


def mixed(utterances: Sequence[Utterance], begin: float) -> Pieces:
    """Mix all speakers into pieces without silence, from `begin` (UTC seconds) on.

    Two utterances of one speaker may overlap, because a cut repeats some speech. The shared part plays once.
    """
    speakers = sorted({utterance.speaker for utterance in utterances})
    voices = [_voice([one for one in utterances if one.speaker == speaker], begin) for speaker in speakers]
    pieces = sorted((piece for voice in voices for piece in voice), key=lambda piece: piece[0])
    together: Pieces = []
    for start, samples in pieces:
        if together and start <= _end_of(together[-1]):
            together[-1] = _mix(together[-1], (start, samples))
        else:
            together.append((start, samples))
    return together


def _voice(utterances: Sequence[Utterance], begin: float) -> Pieces:
    pieces = [(one.start, samples) for one in utterances if (samples := samples_of(one)) is not None]
    samples, timeline = compose(pieces, begin)
    spans = [(round(piece.offset * SAMPLE_RATE), round(piece.seconds * SAMPLE_RATE)) for piece in timeline]
    return [(piece.start, samples[at : at + size]) for piece, (at, size) in zip(timeline, spans, strict=True)]


def _end_of(piece: tuple[float, Samples]) -> float:
    return piece[0] + len(piece[1]) / SAMPLE_RATE


def _mix(first: tuple[float, Samples], second: tuple[float, Samples]) -> tuple[float, Samples]:
    """Mix two overlapping pieces into one. Samples above full scale are clipped."""
    at = round((second[0] - first[0]) * SAMPLE_RATE)
    both = np.zeros(max(len(first[1]), at + len(second[1])), np.float32)
    both[: len(first[1])] += first[1]
    both[at : at + len(second[1])] += second[1]
    return first[0], np.clip(both, -1.0, 1.0)
