"""How a case gets its clip: the flagged speech, read back from the log, with what the speaker said just before."""

import logging
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.audio.encode import decode_flac, encode_opus_clip
from pipeline.errors import AudioError, CaseError
from pipeline.messages import SAMPLE_RATE, Flag, Utterance
from pipeline.review.cases.values import CaseFile, ClipPiece, Evidence
from pipeline.review.evidence.log import UtteranceLog
from pipeline.review.evidence.store import EvidenceStore, checksum
from pipeline.review.store import ReviewStore

logger = logging.getLogger(__name__)

Samples = NDArray[np.float32]
"""16 kHz mono, shape (samples,)."""

BITRATE = 24_000
"""Bits per second: enough for wideband speech that a moderator has to understand."""

MAX_SILENCE = 10.0
"""Seconds: a longer pause between two utterances is played this long."""


class ClipCutter:
    """Cuts the clips of cases. `preroll` is in seconds."""

    def __init__(self, store: ReviewStore, evidence: EvidenceStore, log: UtteranceLog, preroll: float) -> None:
        self._store = store
        self._evidence = evidence
        self._log = log
        self._preroll = preroll

    def cut(self, case: str, fresh: Collection[str]) -> int:
        """Give `case` a clip, unless it has one for all of its time.

        Returns how many of the `fresh` flags (ids) have no audio in the log any more.
        """
        try:
            file = self._store.case(case)
        except CaseError:
            # Another worker has just joined it to another case, and cuts the clip of both.
            logger.info("case %s is part of another one by now", case)
            return 0
        if file.covered:
            return 0
        flagged = {flag.id: self._utterance(flag) for flag in file.flags}
        self._write(file, *compose(self._pieces(flagged.values()), file.case.start - self._preroll))
        return sum(utterance is None and flag in fresh for flag, utterance in flagged.items())

    def _utterance(self, flag: Flag) -> Utterance | None:
        """What the flag is about; an address may by now hold another voice, which must never be kept for this one."""
        found = self._log.get(flag.address) if flag.address else None
        return found if found and found.id == flag.utterance else None

    def _pieces(self, flagged: Collection[Utterance | None]) -> list[tuple[float, Samples]]:
        found = {utterance.id: utterance for utterance in flagged if utterance}
        if not found:
            return []
        first = min(found.values(), key=lambda utterance: utterance.start)
        before = self._log.before(first.room, first.speaker, first.start, self._preroll, first.address or "")
        found |= {utterance.id: utterance for utterance in before}
        return [
            (utterance.start, samples) for utterance in found.values() if (samples := samples_of(utterance)) is not None
        ]

    def _write(self, file: CaseFile, samples: Samples, timeline: tuple[ClipPiece, ...]) -> None:
        case, seconds = file.case, len(samples) / SAMPLE_RATE
        # What is there holds speech that the log has forgotten, where it is longer.
        if timeline and all(clip.seconds < seconds for clip in file.evidence):
            keep(self._store, self._evidence, case.id, case.start - self._preroll, case.end, samples, timeline)


def keep(
    store: ReviewStore,
    evidence: EvidenceStore,
    case: str,
    start: float,
    end: float,
    samples: Samples,
    timeline: tuple[ClipPiece, ...],
) -> None:
    """Store a clip, cut for `start` to `end` (UTC seconds), as the evidence of `case`, in the place of an older one."""
    content = encode_opus_clip(samples, BITRATE)
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
        needless = store.attach(clip)
    except CaseError:
        # The case was erased or joined to another one meanwhile: no audio stays without one.
        needless = [path]
    for old in needless:
        evidence.remove(old)


def compose(pieces: Sequence[tuple[float, Samples]], begin: float) -> tuple[Samples, tuple[ClipPiece, ...]]:
    """One clip from stretches of speech, each with the UTC seconds of its first sample, and where each lies in it.

    Nothing from before `begin` is in it. What two stretches share is played once; pauses between them last as long as
    they did, up to MAX_SILENCE.
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


def samples_of(utterance: Utterance) -> Samples | None:
    """Its audio; None, and a warning, where it cannot be decoded."""
    try:
        return decode_flac(utterance.data)
    except AudioError as error:
        logger.warning("utterance %s at %s left out of its clip: %s", utterance.id, utterance.address, error)
        return None
