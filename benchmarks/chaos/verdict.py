"""Compares the speech that was sent with the speech that the store holds.

This module needs no broker and no database; tests/benchmarks/test_chaos.py tests it with each fault. Speech is
identified by its content (benchmarks/chaos/marks.py), in seconds since the speaker's first sample, whatever time the
pipeline assigns to it.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from unittest.mock import patch

from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, Utterance
from pipeline.settings import Audio, Settings
from pipeline.speech.audio import cutter
from pipeline.speech.audio.cutter import OVERLAP_SECONDS, PAD_SECONDS
from pipeline.speech.audio.encode import to_pcm16
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.segment_stage import Segment
from pipeline.speech.audio.vad import WINDOW, shared
from tests.speech import SpokenSpan, Voice, merged

MAX_REPEATED = 0.005
"""The allowed share of flags for speech that another flag covers."""
ROUNDING = 0.5 / SAMPLE_RATE
"""Seconds: less than a sample."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A stretch of speech that is incomplete in the store, and whether the log has all of it."""

    stretch: SpokenSpan
    holes: tuple[SpokenSpan, ...]
    in_log: bool


@dataclass(frozen=True)
class ChaosVerdict:
    """The counts of one run."""

    stretches: int
    flags: int
    lost: Sequence[Lost] = ()
    overlapping: Sequence[SpokenSpan] = ()
    again: Sequence[SpokenSpan] = ()
    unexpected: Sequence[str] = ()
    hung: Sequence[str] = ()
    letters_lost: Sequence[str] = ()
    miscounted: Sequence[str] = ()
    silent: Sequence[str] = ()
    malformed: int = 0
    redelivered: int = 0

    @property
    def share_again(self) -> float:
        return len(self.again) / max(1, self.flags)

    @property
    def good(self) -> bool:
        data = (self.lost, self.overlapping, self.unexpected, self.letters_lost, self.miscounted, self.silent)
        return not any(data) and not self.hung and self.share_again <= MAX_REPEATED and self.stretches > 0

    def __str__(self) -> str:
        return (
            f"stretches {self.stretches}: lost {len(self.lost)}, overlapping cases {len(self.overlapping)}, "
            f"told again {len(self.again)} of {self.flags} ({self.share_again:.2%}), "
            f"unexpected {len(self.unexpected)}, without a clip {len(self.silent)}, hung {len(self.hung)}; "
            f"malformed {self.malformed}: lost {len(self.letters_lost)}, redelivered {self.redelivered}; "
            f"tallies: wrong {len(self.miscounted)}"
        )


def stretches(voice: Voice, samples: Samples, settings: Settings) -> list[SpokenSpan]:
    """The speech that the segmenter finds without failures.

    Pads, and longer pauses inside an utterance, are not speech. Another cut may leave them out.
    """
    pad = PAD_SECONDS
    fine = Audio(hangover_seconds=2 * pad)
    delivered = merged(list(_spoken(voice, samples, settings.audio)))
    with patch.object(cutter, "MIN_SECONDS", WINDOW / SAMPLE_RATE):
        spoken = merged(list(_spoken(voice, samples, fine)))
    found = [SpokenSpan(*voice, span.start + pad, span.end - pad) for span in spoken if span.end - span.start > 2 * pad]
    return [span for span in found if any(span.start >= each.start and span.end <= each.end for each in delivered)]


def _spoken(voice: Voice, samples: Samples, settings: Audio) -> Iterator[SpokenSpan]:
    room, speaker = voice
    segment = Segment(settings, Metrics(), shared())
    for second, at in enumerate(range(0, samples.size, SAMPLE_RATE)):
        data = to_pcm16(samples[at : at + SAMPLE_RATE])
        final = at + SAMPLE_RATE >= samples.size
        chunk = AudioChunk(room=room, speaker=speaker, start=float(second), sequence=second, final=final, data=data)
        for found in segment.process([chunk]):
            if isinstance(found, Utterance):
                yield SpokenSpan(room, speaker, found.start, found.end)


def allowed_hole(settings: Settings) -> float:
    """Seconds that may be missing where a break falls into speech: a pad and a window.

    The detector then hears one side only. It needs a moment to find the voice again, and the rest of a word may be too
    short to be an utterance.
    """
    return PAD_SECONDS + WINDOW / SAMPLE_RATE


def lost(
    wanted: Iterable[SpokenSpan], delivered: Sequence[SpokenSpan], logged: Sequence[SpokenSpan], allowed: float
) -> list[Lost]:
    """The stretches with a hole of more than `allowed` seconds in the store. `logged` is the speech that reached the
    log.
    """
    known, there = _by_voice(delivered), _by_voice(logged)
    found = []
    for stretch in wanted:
        if holes := _holes(stretch, known.get(stretch.voice, []), allowed):
            unsent = any(_holes(hole, there.get(hole.voice, []), allowed) for hole in holes)
            found.append(Lost(stretch, tuple(holes), in_log=not unsent))
    return found


def _holes(span: SpokenSpan, covering: Sequence[SpokenSpan], allowed: float) -> list[SpokenSpan]:
    """Parts of `span`, longer than `allowed`, that are not covered. `covering` is in order, without overlaps."""
    holes, at = [], span.start
    for other in covering:
        if span.shared(other) > 0:
            holes.append(SpokenSpan(*span.voice, at, other.start))
            at = other.end
    holes.append(SpokenSpan(*span.voice, at, span.end))
    return [hole for hole in holes if hole.end - hole.start > allowed + ROUNDING]


def _by_voice(spans: Sequence[SpokenSpan]) -> dict[Voice, list[SpokenSpan]]:
    found: dict[Voice, list[SpokenSpan]] = {}
    for span in merged(spans, ROUNDING):
        found.setdefault(span.voice, []).append(span)
    return found


def allowed_overlap(settings: Settings) -> float:
    """Seconds that two successive utterances may share: the repetition of a forced cut, and a window."""
    return OVERLAP_SECONDS + WINDOW / SAMPLE_RATE + ROUNDING


def again(spans: Sequence[SpokenSpan], allowed: float) -> list[SpokenSpan]:
    """Spans that share more than `allowed` seconds with an earlier one. For a short span, half its length is enough."""
    found: list[SpokenSpan] = []
    furthest: dict[Voice, float] = {}
    for span in sorted(spans, key=lambda span: (span.voice, span.start, span.end)):
        before = furthest.get(span.voice, -math.inf)
        if min(span.end, before) - span.start > min(allowed, (span.end - span.start) / 2 + ROUNDING):
            found.append(span)
        furthest[span.voice] = max(span.end, before)
    return found
