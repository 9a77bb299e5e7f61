"""Judges texts that were not spoken: chat logs, test sets, single sentences."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import languages
from pipeline.judge.judge import Judge
from pipeline.messages import Flag, Transcript


@dataclass(frozen=True, slots=True)
class Text:
    """One text. If `language` is None, its script decides."""

    text: str
    language: str | None = None
    room_type: str = "default"


def judge_texts(judge: Judge, texts: Iterable[Text]) -> list[Flag]:
    """A flag for each text, in order. Times are 0, and no text cools down another."""
    flags: Sequence[object] = judge.process(
        [as_transcript(each.text, each.language, room_type=each.room_type) for each in texts]
    )
    return [flag for flag in flags if isinstance(flag, Flag)]


def as_transcript(text: str, language: str | None = None, **fields: Any) -> Transcript:
    """A text as a transcript for the judge. `fields` are known fields of the Transcript."""
    unknown: dict[str, Any] = {"room": "text", "speaker": "text", "start": 0.0, "end": 0.0, "id": "", "confidence": 1.0}
    return Transcript(
        text=text, language=language or languages.language_of(text), utterance="", model="text", **(unknown | fields)
    )
