"""The time axis of the case page: the clip's wave, and a lane of flagged speech for each speaker in the room.

Seconds count from the start of the case. Only flagged speech is stored, so the lanes show flags alone. The server
measures the wave, and the page only shows it.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from pipeline.base.errors import AudioError
from pipeline.console.cases.case_view import PageView
from pipeline.contract.messages import SAMPLE_RATE, Flag
from pipeline.judge.labels import Labels
from pipeline.review.cases.case_values import ClipPiece, Evidence
from pipeline.review.evidence import clip_player
from pipeline.review.evidence.evidence_store import EvidenceStore
from pipeline.review.evidence.sealing import ClipDamaged

BARS_PER_SECOND = 4
HEIGHT = 64  # height of the picture in its units
LONGEST = 300.0  # the axis of a longer case ends here
MOST_LANES = 6  # the axis shows at most so many speakers
BEFORE, AFTER = -40.0, 20.0  # the part of the room's time that the axis shows, in seconds from the start of the case

Span = tuple[float, float]


class Outline(Struct, frozen=True):
    """The wave of a clip, and its gain."""

    peaks: tuple[float, ...]
    """Heights from 0 to 1, BARS_PER_SECOND for each second. The loudest is 1, unless the clip is nearly silent."""
    gain: float
    """Gain in dB that brings the clip to the common loudness."""


def severity(flag: Flag, labels: Labels) -> int:
    """Return the severity of a flag's worst label, from 0 to 3. A label that is not in the label file counts as 1."""
    return max((labels.severity(name) if name in labels.labels else 1 for name in flag.flagged), default=0)


class Block(Struct, frozen=True):
    """Flagged speech from `first` to `last`. `opened` marks the flag that opened the case of the page."""

    case: str
    first: float
    last: float
    severity: int
    opened: bool


class SpeakerLane(Struct, frozen=True):
    speaker: str
    mine: bool
    """Whether it is the speaker of the case."""
    blocks: tuple[Block, ...]


class CaseAxis(Struct, frozen=True):
    """The axis from `left` to `right`, its ticks, and its lanes. `more` speakers have no lane."""

    left: float
    right: float
    lanes: tuple[SpeakerLane, ...]
    more: int

    @property
    def ticks(self) -> tuple[float, ...]:
        step = next(step for step in (10, 20, 60, 120) if (self.right - self.left) / step <= 8)
        first = step * math.ceil(self.left / step)
        return tuple(float(at) for at in range(first, int(self.right) + 1, step))

    def percent(self, at: float) -> float:
        """Return the place of a moment on the axis, in percent of its width."""
        return round(100 * (at - self.left) / (self.right - self.left), 3)


class Bars(Struct, frozen=True):
    """The wave of one piece of the clip, from `first` to `last`: two SVG paths with `count` bars together."""

    first: float
    last: float
    count: int
    quiet: str
    flagged: str


class ClipSound(Struct, frozen=True):
    """The clip for the player. `span` is the flagged part, in seconds of the clip."""

    seconds: float
    span: Span
    pieces: tuple[tuple[float, float, float], ...]
    """For each piece: its offset in the clip, its start on the axis, its length; all in seconds."""
    bars: tuple[Bars, ...]
    height: int = HEIGHT


def outline(evidence: EvidenceStore, clip: Evidence) -> Outline | None:
    """Return the outline of a clip; None if the clip is gone or cannot be decoded."""
    try:
        data = evidence.get(clip.path)
        return _outline(data) if data else None
    except (AudioError, ClipDamaged):
        return None


def case_axis(found: PageView, labels: Labels) -> CaseAxis:
    """Return the axis with a lane for each speaker, the speaker of the case first."""
    case = found.case
    # Up to the next 10 s, at least 5 s after the case.
    length = min(max(AFTER, 10 * math.ceil((case.end - case.start + 5) / 10)), LONGEST)
    first = min(found.file.flags, key=lambda flag: flag.start).id if found.file.flags else ""
    blocks: dict[str, list[Block]] = {case.speaker: []}
    for turn in found.room_flags:
        flag = turn.flag
        speaker = case.speaker if turn.mine else flag.speaker
        block = Block(
            turn.case, flag.start - case.start, flag.end - case.start, severity(flag, labels), flag.id == first
        )
        blocks.setdefault(speaker, []).append(block)
    lanes = [SpeakerLane(speaker, speaker == case.speaker, tuple(said)) for speaker, said in blocks.items()]
    return CaseAxis(BEFORE, length, tuple(lanes[:MOST_LANES]), max(0, len(lanes) - MOST_LANES))


def clip_sound(found: PageView, picture: Outline | None) -> ClipSound | None:
    """Return the clip for the player; None if there is no clip to play."""
    clip = found.clip
    if clip is None or picture is None or not clip.seconds:
        return None
    timeline = clip.timeline or (ClipPiece(0.0, clip.start, clip.seconds),)  # a clip without a timeline is one piece
    flagged = [(flag.start, flag.end) for flag in found.file.flags]
    start = found.case.start
    return ClipSound(
        seconds=clip.seconds,
        span=_span(found, clip),
        pieces=tuple((piece.offset, round(piece.start - start, 3), piece.seconds) for piece in timeline),
        bars=tuple(_bars(piece, picture.peaks, flagged, start) for piece in timeline),
    )


@lru_cache(maxsize=256)
def _outline(data: bytes) -> Outline:
    samples = clip_player.decode_clip(data)
    peaks = clip_player.peaks(samples, max(1, math.ceil(samples.size * BARS_PER_SECOND / SAMPLE_RATE)))
    scale = max(float(peaks.max()), 0.05)  # the noise of a nearly silent clip must not look like speech
    return Outline(tuple(round(float(peak) / scale, 3) for peak in peaks), round(clip_player.gain(samples), 1))


def _span(found: PageView, clip: Evidence) -> Span:
    first, last = found.offset(found.case.start), found.offset(found.case.end)
    return (0.0 if first is None else first), (clip.seconds if last is None else last)


def _bars(piece: ClipPiece, peaks: Sequence[float], flagged: Sequence[Span], start: float) -> Bars:
    first = round(piece.offset * BARS_PER_SECOND)
    heights = peaks[first : max(first + 1, round((piece.offset + piece.seconds) * BARS_PER_SECOND))] or (0.0,)
    paths: tuple[list[str], list[str]] = ([], [])
    for at, peak in enumerate(heights):
        moment = piece.start + (at + 0.5) * piece.seconds / len(heights)
        half = max(1.0, peak * (HEIGHT / 2 - 1))  # silence is a thin line, and not a gap
        within = any(begin <= moment < end for begin, end in flagged)
        paths[within].append(f"M{at + 0.5} {HEIGHT / 2 - half:.3g}V{HEIGHT / 2 + half:.3g}")
    begin = piece.start - start
    return Bars(begin, begin + piece.seconds, len(heights), "".join(paths[0]), "".join(paths[1]))
