"""The transcript of an utterance: where and when it was spoken comes from the utterance."""

from typing import Any

from pipeline.messages import Transcript, Utterance, derive_id

UNDETERMINED = "und"
"""ISO 639-2 for a language that nobody has told."""


def transcript_of(utterance: Utterance, **fields: Any) -> Transcript:
    """`fields` are the transcript's own: text, language, confidence, model and so on."""
    return Transcript(
        room=utterance.room,
        speaker=utterance.speaker,
        room_type=utterance.room_type,
        start=utterance.start,
        id=derive_id("transcribe", utterance),
        utterance=utterance.id,
        end=utterance.end,
        address=utterance.address,
        **fields,
    )


def wordless(utterance: Utterance, **why: Any) -> Transcript:
    """A transcript without words. `why` are the fields that tell the reason."""
    return transcript_of(utterance, text="", language=UNDETERMINED, confidence=0.0, **why)
