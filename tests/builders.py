"""One message of each kind, and one case, for all tests. `changes` replaces fields."""

from typing import Any

from msgspec import structs

from pipeline.contract.messages import Flag, HeardSound, Hit, SecondReading, Sound, Transcript, Utterance, flag_id
from pipeline.review.cases.case_values import Case

NOON = 1_767_268_800.0
"""2026-01-01 12:00 UTC, in UTC seconds."""


def utterance(name: str = "utterance", start: float = NOON, end: float | None = None, **changes: Any) -> Utterance:
    """Return an utterance with the id `name` from `start` to `end` , in UTC seconds. It has no sound."""
    fields: dict[str, Any] = {
        "id": name,
        "room": "room",
        "speaker": "ann",
        "start": start,
        "end": start + 1.0 if end is None else end,
        "data": b"flac",
    }
    return Utterance(**fields | changes)


def transcript(text: str = "words", start: float = 100.0, **changes: Any) -> Transcript:
    """Return a transcript of 2 s from `start`, in UTC seconds."""
    fields: dict[str, Any] = {
        "id": f"transcript-{start}",
        "utterance": f"utterance-{start}",
        "room": "lobby",
        "speaker": "ann",
        "start": start,
        "end": start + 2.0,
        "text": text,
        "language": "en",
        "confidence": 0.9,
        "model": "base",
        "address": "voice.utterances/0/7",
    }
    return Transcript(**fields | changes)


def sound(name: str = "sound", start: float = 0.0, end: float = 10.0, **changes: Any) -> Sound:
    """Return a sound with the id `name` from `start` to `end`, in seconds after NOON. It has no audio."""
    fields: dict[str, Any] = {
        "id": name,
        "room": "room",
        "speaker": "ann",
        "start": NOON + start,
        "end": NOON + end,
        "kind": "recording",
        "name": "The anthem",
        "reference": "1a2b3c4d5e6f7081",
        "score": 0.8,
        "model": "fingerprints@1",
        "data": b"flac",
    }
    return Sound(**fields | changes)


def flag(name: str = "flag", start: float = 0.0, end: float = 1.0, **changes: Any) -> Flag:
    """Return a flag with the id `name` from `start` to `end`, in seconds after NOON."""
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


def withheld_flag(name: str = "flag", start: float = 0.0, end: float = 1.0, **changes: Any) -> Flag:
    """Return a flag as `flag` does, but passed: it waits until words and second ear agree about violence."""
    waits: dict[str, Any] = {"suggestion": "pass", "flagged": (), "hits": (), "withheld": ("violence",)}
    made = flag(name, start, end, **waits | changes)
    return structs.replace(made, id=flag_id(made, made.policy))


def released_flag(withheld: Flag, label: str = "violence", **changes: Any) -> Flag:
    """Return the flag that a withheld one becomes when both sources agree about `label`."""
    fields: dict[str, Any] = {"suggestion": "review", "flagged": (label,), "withheld": (), "released": label}
    made = structs.replace(withheld, **fields | changes)
    return structs.replace(made, id=flag_id(made, f"{made.policy} {label}"))


def sound_flag(name: str = "sound", start: float = 0.0, end: float = 10.0, **changes: Any) -> Flag:
    """Return the flag of a sound with the id `name` from `start` to `end`, in seconds after NOON."""
    fields: dict[str, Any] = {
        "utterance": name,
        "transcript": name,
        "text": "",
        "language": "",
        "confidence": 1.0,
        "labels": {},
        "flagged": (),
        "hits": (),
        "reasons": ("sound recording: score 0.80 reaches review at 0.00",),
        "model": "fingerprints@1",
        "source": "sound",
        "sound": HeardSound(kind="recording", name="The anthem", reference="1a2b3c4d5e6f7081", score=0.8),
    }
    return flag(name, start, end, **fields | changes)


def second_reading(name: str = "reading", start: float = 0.0, end: float = 1.0, **changes: Any) -> SecondReading:
    """Return the second reading of the flag `name`, from `start` to `end`, in seconds after NOON."""
    fields: dict[str, Any] = {
        "id": f"reading-{name}",
        "flag": name,
        "utterance": f"utterance-{name}",
        "transcript": f"transcript-{name}",
        "room": "room",
        "speaker": "ann",
        "start": NOON + start,
        "end": NOON + end,
        "text": f"弄死你 {name}",
        "language": "zh",
        "confidence": 0.9,
        "risk": 0.9,
        "labels": {"violence": 0.9, "abuse": 0.2},
        "flagged": ("violence",),
        "reasons": ("violence: score 0.90 reaches review at 0.70 for the second reader (implied)",),
        "policy": "default@1",
        "model": "small-llm",
    }
    return SecondReading(**fields | changes)


def case(start: float = 0.0, end: float = 5.0, **changes: Any) -> Case:
    """Return a case from `start` to `end`, in seconds after NOON."""
    fields: dict[str, Any] = {
        "id": "c",
        "room": "room",
        "speaker": "ann",
        "room_type": "default",
        "start": NOON + start,
        "end": NOON + end,
        "label": "violence",
        "suggestion": "review",
        "risk": 0.5,
        "language": "zh",
        "text": "弄死你",
        "created_at": NOON,
    }
    return Case(**fields | changes)
