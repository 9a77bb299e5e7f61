"""Judging texts that nobody spoke: chat logs, test sets, a sentence a moderator wonders about."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline import languages
from pipeline.judge.judge import Judge
from pipeline.messages import Flag, Transcript


@dataclass(frozen=True, slots=True)
class Text:
    """One text; `language` None: told by its script."""

    text: str
    language: str | None = None
    room_type: str = "default"


def judge_texts(judge: Judge, texts: Iterable[Text]) -> list[Flag]:
    """A flag for each text, in order. Times are 0, and no text cools down another."""
    flags: Sequence[object] = judge.process([_transcript(text) for text in texts])
    return [flag for flag in flags if isinstance(flag, Flag)]


def _transcript(text: Text) -> Transcript:
    return Transcript(
        room="text",
        speaker="text",
        room_type=text.room_type,
        start=0.0,
        end=0.0,
        id="",
        utterance="",
        text=text.text,
        language=text.language or languages.language_of(text.text),
        confidence=1.0,
        model="text",
    )
