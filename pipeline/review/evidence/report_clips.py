"""The clip of a reported case: the last minutes of the voice, or of the whole room, as far as they are still held."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import numpy as np

from pipeline.errors import CaseError
from pipeline.messages import SAMPLE_RATE, Utterance
from pipeline.review.appeals.reports import Report
from pipeline.review.evidence.clip import Samples, compose, keep, samples_of
from pipeline.review.evidence.log import UtteranceLog
from pipeline.review.evidence.store import EvidenceStore
from pipeline.review.store import ReviewStore

SETTLE_SECONDS = 20.0
"""Speech is in the log when it has ended, up to 15 s after it began; only then is a report's clip cut."""

Pieces = list[tuple[float, Samples]]
"""Stretches of speech, each with the UTC seconds of its first sample."""


READ_SECONDS = 3.0
"""A run reads the log for so long at most. It takes turns with the flags, and may not hold them up."""


class ClipSearch:
    """What was said about a report, as far as it was read."""

    def __init__(self, report: Report, begin: float, end: float, parts: Iterator[list[Utterance]]) -> None:
        self.report, self.begin, self.end = report, begin, end
        self.said: list[Utterance] = []
        self._parts = parts

    def read(self, over: Callable[[], bool]) -> bool:
        """Go on until all is read, or the time is `over`; gives whether all is read."""
        for part in self._parts:
            self.said += part
            if over():
                return False
        return True


class ReportCutter:
    """Gives reports their clips: each is of all of its case, up to the last moment complained of.

    `clock` is in seconds, and never goes back.
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
        """Cut the oldest report that is due at `now` (UTC seconds), or go on with the last; gives whether it is done.

        A run that has not read all by its deadline leaves the rest to the next one.
        """
        search, self._search = self._search or self._begin(now), None  # after an error it begins anew
        if search is None:
            return False
        deadline = self._clock() + READ_SECONDS
        if not search.read(lambda: self._clock() >= deadline):
            self._search = search
            return False
        self._cut(search)
        return True

    def _begin(self, now: float) -> ClipSearch | None:
        for report in self._store.unheard(now - SETTLE_SECONDS):
            with suppress(CaseError):  # erased meanwhile
                case = self._store.case(report.case).case
                said = self._log.latest(report.room, report.speaker or None, case.end, case.end - case.start)
                return ClipSearch(report, case.start, case.end, said)
        return None

    def _cut(self, search: ClipSearch) -> None:
        report, begin = search.report, search.begin
        try:
            file = self._store.case(report.case)
        except CaseError:
            return  # erased meanwhile
        samples, timeline = compose(mixed(search.said, begin), begin)
        # What is there holds speech that the log has forgotten, where it is longer.
        if timeline and all(clip.seconds < len(samples) / SAMPLE_RATE for clip in file.evidence):
            keep(self._store, self._evidence, report.case, begin, search.end, samples, timeline)
        self._store.heard(report, {utterance.speaker for utterance in search.said} if timeline else set())


def mixed(utterances: Sequence[Utterance], begin: float) -> Pieces:
    """Stretches in which somebody speaks, all voices together; what a voice repeats after a cut is played once."""
    speakers = sorted({utterance.speaker for utterance in utterances})
    voices = [_voice([one for one in utterances if one.speaker == speaker], begin) for speaker in speakers]
    pieces = sorted((piece for voice in voices for piece in voice), key=lambda piece: piece[0])
    together: Pieces = []
    for start, samples in pieces:
        if together and start <= _end(together[-1]):
            together[-1] = _added(together[-1], (start, samples))
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


def _added(first: tuple[float, Samples], second: tuple[float, Samples]) -> tuple[float, Samples]:
    """Two voices that overlap, as one stretch; louder than full scale is clipped."""
    at = round((second[0] - first[0]) * SAMPLE_RATE)
    both = np.zeros(max(len(first[1]), at + len(second[1])), np.float32)
    both[: len(first[1])] += first[1]
    both[at : at + len(second[1])] += second[1]
    return first[0], np.clip(both, -1.0, 1.0)
