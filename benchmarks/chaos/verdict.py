"""What a run comes to: what was said, where it came to lie in the log, and what the store has of it.

Nothing here needs a broker or a database; tests/benchmarks/test_chaos.py proves that each fault is seen.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.chaos.marks import FRAME_SECONDS
from benchmarks.speech import Span, Voice, merged
from pipeline.audio.encode import to_pcm16
from pipeline.audio.resample import Samples
from pipeline.audio.segment import Segment
from pipeline.audio.segment import build as build_segment
from pipeline.audio.vad import WINDOW
from pipeline.messages import SAMPLE_RATE, AudioChunk, Utterance
from pipeline.metrics import Metrics
from pipeline.settings import Settings

TOLD_AGAIN = 0.005
"""The share of flags that may tell what another flag tells."""
ROUNDING = 1e-3
"""Seconds: times are floats, and samples are 1/16000 s."""

Heard = Mapping[Voice, Mapping[int, Sequence[float]]]
"""Where each frame of a speaker lies in the log: UTC seconds of its first sample, more than one if it came again."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames `first` to `last` of a speaker, all of them speech."""

    voice: Voice
    first: int
    last: int

    @property
    def frames(self) -> range:
        return range(self.first, self.last + 1)


@dataclass(frozen=True, slots=True)
class Lost:
    """A stretch of which something is not in the store: frames that never reached the log, and frames that did."""

    stretch: Stretch
    unsent: tuple[int, ...]
    untold: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """What the review store has, cases in any state."""

    cases: Sequence[Span]
    flags: Sequence[Span]


@dataclass(frozen=True)
class Verdict:
    """The counts of one run. `allowed` is the share of flags that may tell again what another one tells."""

    stretches: int
    flags: int
    lost: Sequence[Lost] = ()
    overlapping: Sequence[Span] = ()
    again: Sequence[Span] = ()
    unexpected: Sequence[Span] = ()
    hung: Sequence[str] = ()
    letters_lost: Sequence[str] = ()
    malformed: int = 0
    redelivered: int = 0
    notes: Sequence[str] = field(default=())

    @property
    def share_again(self) -> float:
        return len(self.again) / max(1, self.flags)

    @property
    def good(self) -> bool:
        faults = (self.lost, self.overlapping, self.unexpected, self.hung, self.letters_lost)
        return not any(faults) and self.share_again <= TOLD_AGAIN and self.stretches > 0

    def __str__(self) -> str:
        return (
            f"stretches {self.stretches}: lost {len(self.lost)}, overlapping cases {len(self.overlapping)}, "
            f"told again {len(self.again)} of {self.flags} ({self.share_again:.2%}), "
            f"unexpected {len(self.unexpected)}, hung {len(self.hung)}; "
            f"malformed {self.malformed}: lost {len(self.letters_lost)}, redelivered {self.redelivered}"
        )


def stretches(voice: Voice, samples: Samples, settings: Settings) -> list[Stretch]:
    """What the segmenter finds when nothing breaks, without the pads: they are no speech, and may be cut otherwise."""
    pad = settings.audio.pad_seconds
    found = []
    for span in merged(list(_spoken(voice, samples, settings))):
        first, past = math.ceil((span.start + pad) / FRAME_SECONDS), math.floor((span.end - pad) / FRAME_SECONDS)
        if past > first:
            found.append(Stretch(voice, first, past - 1))
    return found


def _spoken(voice: Voice, samples: Samples, settings: Settings) -> Iterator[Span]:
    segment: Segment = build_segment(settings, Metrics())
    for second, at in enumerate(range(0, samples.size, SAMPLE_RATE)):
        data = to_pcm16(samples[at : at + SAMPLE_RATE])
        final = at + SAMPLE_RATE >= samples.size
        chunk = AudioChunk(
            room=voice[0], speaker=voice[1], start=float(second), sequence=second, final=final, data=data
        )
        for found in segment.process([chunk]):
            if isinstance(found, Utterance):
                yield Span(*voice, found.start, found.end)


def lost(wanted: Iterable[Stretch], heard: Heard, flags: Sequence[Span]) -> list[Lost]:
    """The stretches of which not all is stored: a single frame of 100 ms that no flag covers is enough."""
    told = merged(flags, ROUNDING)
    by_voice: dict[Voice, list[Span]] = {}
    for span in told:
        by_voice.setdefault(span.voice, []).append(span)
    found = []
    for stretch in wanted:
        places = heard.get(stretch.voice, {})
        unsent = tuple(number for number in stretch.frames if number not in places)
        untold = tuple(
            number
            for number in stretch.frames
            if number in places and not _is_told(places[number], by_voice.get(stretch.voice, []))
        )
        if unsent or untold:
            found.append(Lost(stretch, unsent, untold))
    return found


def _is_told(starts: Sequence[float], told: Sequence[Span]) -> bool:
    """Whether one of the copies of a frame is told to its end."""
    return any(
        span.start - ROUNDING <= start and start + FRAME_SECONDS <= span.end + ROUNDING
        for start in starts
        for span in told
    )


def allowed_overlap(settings: Settings) -> float:
    """Seconds that two utterances in a row may share: what a forced cut repeats, and a window."""
    return settings.audio.overlap_seconds + WINDOW / SAMPLE_RATE + ROUNDING


def again(spans: Sequence[Span], allowed: float) -> list[Span]:
    """Those that share more than `allowed` seconds with one that began before."""
    found: list[Span] = []
    furthest: dict[Voice, float] = {}
    for span in sorted(spans, key=lambda span: (span.voice, span.start, span.end)):
        if min(span.end, furthest.get(span.voice, -math.inf)) - span.start > min(allowed, _half(span)):
            found.append(span)
        furthest[span.voice] = max(span.end, furthest.get(span.voice, -math.inf))
    return found


def _half(span: Span) -> float:
    """Of a short span: an allowance as long as the span itself would allow anything."""
    return (span.end - span.start) / 2


def unexpected(flags: Sequence[Span], wanted: Iterable[Stretch], heard: Heard) -> list[Span]:
    """The flags where nobody spoke."""
    said: dict[Voice, list[Span]] = {}
    for stretch in wanted:
        starts = (start for number in stretch.frames for start in heard.get(stretch.voice, {}).get(number, ()))
        said.setdefault(stretch.voice, []).extend(Span(*stretch.voice, at, at + FRAME_SECONDS) for at in starts)
    joined = {voice: merged(spans, ROUNDING) for voice, spans in said.items()}
    return [flag for flag in flags if not any(flag.shared(span) > 0 for span in joined.get(flag.voice, []))]
