"""The picture of a clip: an outline of the sound as one SVG path, made here so that a page draws nothing itself."""

from functools import lru_cache

from msgspec import Struct

from pipeline.errors import AudioError
from pipeline.review.cases.values import Evidence
from pipeline.review.evidence import sound
from pipeline.review.evidence.store import EvidenceStore

WIDTH = 600
"""Units of the picture, and peaks in it."""
HEIGHT = 64


class Outline(Struct, frozen=True):
    path: str
    """The `d` of an SVG path, WIDTH by HEIGHT."""
    gain: float
    """Decibels to the loudness at which everything is played."""


def outline(evidence: EvidenceStore, clip: Evidence) -> Outline | None:
    """None where the clip cannot be read any more."""
    data = evidence.get(clip.path)
    try:
        return _outline(data) if data else None
    except AudioError:
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
