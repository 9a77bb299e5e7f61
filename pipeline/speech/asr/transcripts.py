"""Builds the transcript of an utterance. Room, speaker and times come from the utterance."""

from typing import Any

from pipeline.contract.messages import UNDETERMINED, Transcript, Utterance, derive_id, origin


def transcript_of(utterance: Utterance, **fields: Any) -> Transcript:
    """The transcript of `utterance`. `fields` are its own fields: text, language, confidence, model and so on."""
    return Transcript(
        **origin(utterance),
        id=derive_id("transcribe", utterance),
        utterance=utterance.id,
        end=utterance.end,
        address=utterance.address,
        **fields,
    )


def wordless(utterance: Utterance, language: str = UNDETERMINED, **why: Any) -> Transcript:
    """The transcript of an utterance that was not transcribed. It has no text. `why` are the fields with the reason."""
    return transcript_of(utterance, text="", language=language, confidence=0.0, **why)
