"""The picture of a clip: the waveform's outline as one SVG path. The server makes it; the page draws nothing."""

from functools import lru_cache

from msgspec import Struct

from pipeline.errors import AudioError
from pipeline.review.cases.values import Evidence
from pipeline.review.evidence import sound
from pipeline.review.evidence.sealing import ClipDamaged
from pipeline.review.evidence.store import EvidenceStore

WIDTH = 600
"""Width of the picture in its units. It has one peak for each unit."""
HEIGHT = 64
"""Height of the picture in its units."""


class Outline(Struct, frozen=True):
    """The picture of a clip, and its gain."""

    path: str
    """The attribute `d` of an SVG path, WIDTH by HEIGHT."""
    gain: float
    """Gain in dB that brings the clip to the common loudness."""


def outline(evidence: EvidenceStore, clip: Evidence) -> Outline | None:
    """Return the outline of a clip; None if the clip is gone or cannot be decoded."""
    try:
        data = evidence.get(clip.path)
        return _outline(data) if data else None
    except (AudioError, ClipDamaged):
        return None


@lru_cache(maxsize=256)
def _outline(data: bytes) -> Outline:
    samples = sound.decode(data)
    peaks = sound.peaks(samples, WIDTH)
    scale = max(float(peaks.max()), 0.05)
    heights = [round(float(peak) / scale * (HEIGHT / 2 - 1), 1) for peak in peaks]
    above = "".join(f"L{x} {HEIGHT / 2 - height:g}" for x, height in enumerate(heights))
    below = "".join(f"L{x} {HEIGHT / 2 + heights[x]:g}" for x in reversed(range(WIDTH)))
    return Outline(f"M0 {HEIGHT / 2:g}{above}{below}Z", round(sound.gain(samples), 1))
