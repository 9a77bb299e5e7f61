"""Builds flags for tests."""

from typing import Any

from pipeline.messages import Flag, Hit

NOON = 1_767_268_800.0
"""2026-01-01 12:00 UTC, in UTC seconds."""


def flag(name: str, start: float, end: float, **changes: Any) -> Flag:
    """Return a flag from `start` to `end`, in seconds after NOON. `changes` replaces fields."""
    fields: dict[str, Any] = {
        "id": name,
        "utterance": f"utterance-{name}",
        "transcript": f"transcript-{name}",
        "room": "room",
        "speaker": "ann",
        "start": NOON + start,
        "end": NOON + end,
        "text": f"弄死你 {name}",
        "language": "zh",
        "confidence": 0.9,
        "suggestion": "review",
        "risk": 0.5,
        "labels": {"violence": 0.5, "abuse": 0.1},
        "flagged": ("violence",),
        "hits": (Hit("弄死你", "violence", "high", 0, 3),),
        "reasons": ("lexicon: 弄死你",),
        "policy": "default@1",
        "model": "baseline",
    }
    return Flag(**fields | changes)
