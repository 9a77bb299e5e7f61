"""The clip of a reported case: the last minutes of the voice, or of the whole room, as far as they are still held."""

import logging
from collections.abc import Sequence

import numpy as np

from pipeline.errors import CaseError
from pipeline.messages import SAMPLE_RATE, Utterance
from pipeline.review.clip import Samples, compose, keep, samples_of
from pipeline.review.evidence import EvidenceStore
from pipeline.review.log import UtteranceLog
from pipeline.review.reports import Report
from pipeline.review.store import ReviewStore

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 20.0
"""Speech is in the log when it has ended, up to 15 s after it began; only then is a report's clip cut."""

Pieces = list[tuple[float, Samples]]
"""Stretches of speech, each with the UTC seconds of its first sample."""


class ReportCutter:
    """Gives reports their clips: each is of all of its case, up to the last moment complained of."""

    def __init__(self, store: ReviewStore, evidence: EvidenceStore, log: UtteranceLog) -> None:
        self._store = store
        self._evidence = evidence
        self._log = log

    def run(self, now: float) -> int:
        """Cut what is due at `now` (UTC seconds); gives how many reports that was."""
        due = self._store.unheard(now - SETTLE_SECONDS)
        for report in due:
            self._cut(report)
        return len(due)

    def _cut(self, report: Report) -> None:
        try:
            file = self._store.case(report.case)
        except CaseError:
            return  # erased meanwhile
        begin, end = file.case.start, file.case.end
        said = self._log.latest(report.room, report.speaker or None, end, end - begin)
        samples, timeline = compose(mixed(said, begin), begin)
        # What is there holds speech that the log has forgotten, where it is longer.
        if timeline and all(clip.seconds < len(samples) / SAMPLE_RATE for clip in file.evidence):
            keep(self._store, self._evidence, report.case, begin, end, samples, timeline)
        self._store.heard(report, {utterance.speaker for utterance in said} if timeline else set())


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
