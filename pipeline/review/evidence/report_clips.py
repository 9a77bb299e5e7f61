"""Cuts the clip of a reported case: the last minutes of the speaker or the room that the log still has."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import numpy as np

from pipeline.base.errors import CaseError
from pipeline.contract.messages import SAMPLE_RATE, Utterance
from pipeline.review.appeals.reports import Report
from pipeline.review.evidence.clip import Samples, compose, samples_of, store_clip
from pipeline.review.evidence.log import UtteranceLog
from pipeline.review.evidence.store import EvidenceStore
from pipeline.review.store import ReviewStore

SETTLE_SECONDS = 20.0
"""Seconds from a report to its clip. An utterance reaches the log when it ends, up to 15 s after it began."""

Pieces = list[tuple[float, Samples]]
"""Pieces of speech, each with the UTC seconds of its first sample."""


READ_SECONDS = 3.0
"""The most seconds that one run reads the log. Runs alternate with batches of flags and must not delay them."""


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
        evidence: EvidenceStore,
        log: UtteranceLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._evidence = evidence
        self._log = log
        self._clock = clock
        self._search: ClipSearch | None = None

    def run(self, now: float) -> bool:
        """Cut the clip of the oldest report that is due at `now` (UTC seconds), or continue the last search.

        Return whether a clip is done. A search that takes longer than READ_SECONDS continues in the next run.
        """
        search, self._search = self._search or self._begin(now), None  # None: after an error the search starts again
        if search is None:
            return False
        deadline = self._clock() + READ_SECONDS
        if not search.read(lambda: self._clock() >= deadline):
            self._search = search
            return False
        self._cut(search)
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
            store_clip(self._store, self._evidence, report.case, begin, search.end, samples, timeline)
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
        if together and start <= _end(together[-1]):
            together[-1] = _mix(together[-1], (start, samples))
        else:
            together.append((start, samples))
    return together


def _voice(utterances: Sequence[Utterance], begin: float) -> Pieces:
    pieces = [(one.start, samples) for one in utterances if (samples := samples_of(one)) is not None]
    samples, timeline = compose(pieces, begin)
    spans = [(round(piece.offset * SAMPLE_RATE), round(piece.seconds * SAMPLE_RATE)) for piece in timeline]
    return [(piece.start, samples[at : at + size]) for piece, (at, size) in zip(timeline, spans, strict=True)]


def _end(piece: tuple[float, Samples]) -> float:
    return piece[0] + len(piece[1]) / SAMPLE_RATE


def _mix(first: tuple[float, Samples], second: tuple[float, Samples]) -> tuple[float, Samples]:
    """Mix two overlapping pieces into one. Samples above full scale are clipped."""
    at = round((second[0] - first[0]) * SAMPLE_RATE)
    both = np.zeros(max(len(first[1]), at + len(second[1])), np.float32)
    both[: len(first[1])] += first[1]
    both[at : at + len(second[1])] += second[1]
    return first[0], np.clip(both, -1.0, 1.0)
