"""Judges texts that were not spoken: chat logs, test sets, single sentences."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.contract.messages import Flag, Transcript
from pipeline.judge.judge_stage import Judge
from pipeline.speech import languages


@dataclass(frozen=True, slots=True)
class Text:
    """One text. If `language` is None, its script decides."""

    text: str
    language: str | None = None
    room_type: str = "default"
    room: str = "text"
    speaker: str = "text"
    start: float = 0.0
    """Seconds. Texts of the same second do not follow each other, so they are judged alone."""


def judge_texts(judge: Judge, texts: Iterable[Text]) -> list[Flag]:
    """A flag for each text, in order. Texts with speakers and times are judged as the speech of rooms.

    Without times, no text cools down another, and none is the context of another.
    """
    flags: Sequence[object] = judge.process([_transcript(each) for each in texts])
    return [flag for flag in flags if isinstance(flag, Flag)]


def _transcript(said: Text) -> Transcript:
    return as_transcript(
        said.text,
        said.language,
        room_type=said.room_type,
        room=said.room,
        speaker=said.speaker,
        start=said.start,
        end=said.start,
    )


def as_transcript(text: str, language: str | None = None, **fields: Any) -> Transcript:
    """A text as a transcript for the judge. `fields` are known fields of the Transcript."""
    unknown: dict[str, Any] = {"room": "text", "speaker": "text", "start": 0.0, "end": 0.0, "id": "", "confidence": 1.0}
    return Transcript(
        text=text,
        language=language or languages.script_language(text),
        utterance="",
        model="text",
        **(unknown | fields),
    )


def transcript_of(flag: Flag) -> Transcript:
    """Return a stored flag as a transcript. The recogniser's other readings are not kept."""
    return as_transcript(
        flag.text,
        flag.language,
        id=flag.id,
        room=flag.room,
        speaker=flag.speaker,
        room_type=flag.room_type,
        start=flag.start,
        end=flag.end,
        confidence=flag.confidence,
        marks=flag.marks,
    )
