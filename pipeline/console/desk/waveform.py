"""The picture of a clip: the height of each bar of its wave. The server measures it; the page draws nothing."""

import math
from functools import lru_cache

from msgspec import Struct

from pipeline.base.errors import AudioError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.review.cases.values import Evidence
from pipeline.review.evidence import clip_player
from pipeline.review.evidence.evidence_store import EvidenceStore
from pipeline.review.evidence.sealing import ClipDamaged

BARS_PER_SECOND = 4
HEIGHT = 64
"""Height of the picture in its units."""


class Outline(Struct, frozen=True):
    """The wave of a clip, and its gain."""

    peaks: tuple[float, ...]
    """Heights from 0 to 1, BARS_PER_SECOND for each second. The loudest is 1, unless the clip is nearly silent."""
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
    samples = clip_player.decode_clip(data)
    peaks = clip_player.peaks(samples, max(1, math.ceil(samples.size * BARS_PER_SECOND / SAMPLE_RATE)))
    scale = max(float(peaks.max()), 0.05)
    return Outline(tuple(round(float(peak) / scale, 3) for peak in peaks), round(clip_player.gain(samples), 1))
