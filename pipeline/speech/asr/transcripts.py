"""Makes the transcript of an utterance, and writes transcripts as JSON lines, SubRip or WebVTT."""

from typing import Any

import msgspec

from pipeline.base.errors import VoxwardenError
from pipeline.contract.messages import UNDETERMINED, Transcript, Utterance, derive_id, origin

VTT_HEADER = "WEBVTT\n\n"


def transcript_of(utterance: Utterance, **fields: Any) -> Transcript:
    """The transcript of `utterance`, with its room, speaker and times.

    `fields` are its own fields: text, language, confidence, model and so on.
    """
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


def srt_cue(number: int, start: float, end: float, text: str) -> str:
    """A SubRip cue. `start` and `end` are seconds from the start of the recording. `number` counts from 1."""
    return f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{_one_line(text)}\n\n"


def vtt_cue(start: float, end: float, text: str) -> str:
    """A WebVTT cue (https://www.w3.org/TR/webvtt1/). `start` and `end` are seconds. The file begins with VTT_HEADER."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"{_clock(start, '.')} --> {_clock(end, '.')}\n{_one_line(escaped)}\n\n"


def json_line(file: str, transcript: Transcript) -> str:
    """A JSON object: file, start, end, language, text, confidence, no_speech, marks, and words if there are any."""
    fields = {
        "file": file,
        "start": round(transcript.start, 3),
        "end": round(transcript.end, 3),
        "language": transcript.language,
        "text": transcript.text,
        "confidence": round(transcript.confidence, 4),
        "no_speech": round(transcript.no_speech, 4),
        "marks": transcript.marks,
    }
    if transcript.words:
        fields["words"] = transcript.words
    return msgspec.json.encode(fields).decode() + "\n"


def error_line(file: str, error: VoxwardenError) -> str:
    """A JSON object: file, error."""
    return msgspec.json.encode({"file": file, "error": str(error)}).decode() + "\n"


def _one_line(text: str) -> str:
    """Replace line breaks by spaces: an empty line would end the cue."""
    return " ".join(text.split())


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(max(seconds, 0.0) * 1000)
    return (
        f"{milliseconds // 3_600_000:02}:{milliseconds // 60_000 % 60:02}"
        f":{milliseconds // 1000 % 60:02}{point}{milliseconds % 1000:03}"
    )
