"""The JSON lines that commands print. They are a contract, which this file alone defines."""

from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.contract.messages import Flag, Hit

if TYPE_CHECKING:
    from agents.commands.textlines import InputPlace
    from pipeline.runner.recordings_runner import FileReport


def utterance_line(flag: Flag, file: str | None) -> dict[str, Any]:
    """Return one judged utterance or sound, or a second reading. All times, also those of hits, are seconds.

    Only a sound has `sound`. Only a flag of a label that needs words and second ear has `withheld` or `released`.
    """
    more = {"sound": flag.sound, "withheld": flag.withheld, "released": flag.released}
    return {
        "kind": "second_reading" if flag.source == "reader" else "sound" if flag.sound else "utterance",
        "file": file,
        "room": flag.room,
        "speaker": flag.speaker,
        "start": round(flag.start, 3),
        "end": round(flag.end, 3),
        "language": flag.language,
        "text": flag.text,
        "confidence": round(flag.confidence, 4),
        "suggestion": flag.suggestion,
        "risk": round(flag.risk, 6),
        "labels": {label: round(score, 6) for label, score in flag.labels.items()},
        "hits": [_hit(hit, hit.start_time, hit.end_time) for hit in flag.hits],
        "policy": flag.policy,
        "model": flag.model,
    } | {key: msgspec.to_builtins(value) for key, value in more.items() if value}


def verdict_line(flag: Flag) -> dict[str, Any]:
    """Return one judged utterance or sound of a live room: the same keys, and the id of its flag.

    Times are UTC seconds.
    """
    line = utterance_line(flag, None)
    return {"kind": line["kind"], "id": flag.id} | line


def text_line(flag: Flag, place: "InputPlace") -> dict[str, Any]:
    """Return one judged text: the same keys, with its place instead of times.

    The positions of hits are character offsets in `text`, half open.
    """
    nowhere: dict[str, Any] = dict.fromkeys(("room", "speaker", "start", "end", "confidence"))
    hits = [_hit(hit, hit.start, hit.end) for hit in flag.hits]
    kind = {"kind": "utterance", "line": place.line, "id": place.id}
    return kind | utterance_line(flag, None) | nowhere | {"hits": hits}


def file_line(report: "FileReport") -> dict[str, Any]:
    """Return the summary of one recording."""
    return {
        "kind": "file",
        "file": report.file,
        "seconds": round(report.seconds, 3),
        "speech_seconds": round(report.speech_seconds, 3),
        "utterances": report.utterances,
        "suggestion": report.suggestion,
        "error": report.error,
    }


def error_line(place: "InputPlace", error: str) -> dict[str, Any]:
    """Return the error of an input line that could not be read."""
    return {"kind": "error", "line": place.line, "error": error}


def _hit(hit: Hit, start: float | None, end: float | None) -> dict[str, Any]:
    place = [round(value, 3) if isinstance(value, float) else value for value in (start, end)]
    return {"term": hit.term, "label": hit.label, "level": hit.level, "start": place[0], "end": place[1]}
