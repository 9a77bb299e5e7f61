"""Reads transcripts from JSON lines: records of `voice.transcripts`, or the output of `--format jsonl`."""

from collections.abc import Iterable, Iterator

from msgspec import MsgspecError, Struct, json

from pipeline.base.errors import TextError
from pipeline.contract.messages import Mark, Name, Seconds, Transcript, Unit
from pipeline.judge.texts import as_transcript


class TranscriptLine(Struct):
    """Only `text` is required. Lines without a text, such as lines about a file or an error, are skipped."""

    text: str | None = None
    language: str | None = None
    room: Name | None = None
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
            line = json.decode(raw, type=TranscriptLine)
        except (MsgspecError, UnicodeDecodeError) as error:
            yield TextError(
                f"Line {number} is not a transcript: {error}", "Write one JSON object with a text on each line."
            )
            continue
        if line.text is not None:
            yield _transcript(line, line.text, number)


def _transcript(line: TranscriptLine, text: str, number: int) -> Transcript:
    start = line.start or 0.0
    return as_transcript(
        text,
        line.language,
        room=line.room or "text",
        speaker=line.speaker or "text",
        room_type=line.room_type,
        start=start,
        end=line.end or start,
        id=line.id or f"line {number}",
        confidence=1.0 if line.confidence is None else line.confidence,
        marks=line.marks,
        skipped=line.skipped,
    )
