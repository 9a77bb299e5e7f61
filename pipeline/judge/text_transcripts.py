"""Makes transcripts of texts, of stored flags and of JSON lines, so that the judge can read what nobody has spoken."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import DecodeError, Struct

from pipeline.base.errors import TextError
from pipeline.base.json_reading import read_json
from pipeline.contract.messages import Flag, Mark, Name, Seconds, Transcript, Unit
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
        end=said.start,  # a text has no length
    )


def as_transcript(text: str, language: str | None = None, **fields: Any) -> Transcript:
    """A text as a transcript for the judge. `fields` are known fields of the Transcript."""
    # Confidence 1: nobody has misheard a written text.
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


class TranscriptLine(Struct):
    """Only `text` is required. Lines without a text, such as lines about a file or an error, are skipped."""

    text: str | None = None
    language: str | None = None
    room: Name | None = None
    file: str | None = None
    """Stands for the room in lines of recordings. Their times are seconds from the start of the file."""
    speaker: Name | None = None
    room_type: Name = "default"
    start: Seconds | None = None
    end: Seconds | None = None
    confidence: Unit | None = None
    marks: tuple[Mark, ...] = ()
    id: str | None = None
    skipped: bool = False


def transcripts(lines: Iterable[bytes]) -> Iterator[Transcript | TextError]:
    """One result for each line with a text: a transcript, or a TextError with the line number if it is invalid."""
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        try:
            line = read_json(raw, TranscriptLine)
        except DecodeError as error:
            yield TextError(
                f"Line {number} is not a transcript: {error}", "Write one JSON object with a text on each line."
            )
            continue
        if line.text is not None:
            yield _transcript_of_line(line, line.text, number)


def _transcript_of_line(line: TranscriptLine, text: str, number: int) -> Transcript:
    start = line.start or 0.0
    return as_transcript(
        text,
        line.language,
        room=line.room or line.file or "text",
        speaker=line.speaker or "text",
        room_type=line.room_type,
        start=start,
        end=line.end or start,
        id=line.id or f"line {number}",  # a comparison of policies skips repeated ids
        confidence=1.0 if line.confidence is None else line.confidence,
        marks=line.marks,
        skipped=line.skipped,
    )
