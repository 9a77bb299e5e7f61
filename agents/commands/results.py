"""Write the results of `moderate`: a table for a person, JSON for a program, or subtitles for a player."""

import json
import logging
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from queue import Full, Queue
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from rich.markup import escape

from agents.commands.app import say_error
from agents.commands.table import SHAPES, STYLES, clock, flag_row, unheard_row, why_unheard
from agents.commands.terminal import harmless, json_text, stderr, stdout
from pipeline.contract.messages import Flag, Hit, SpeechStatus

if TYPE_CHECKING:
    from agents.commands.textlines import InputPlace
    from pipeline.runner.recordings_runner import FileReport, Found


def utterance_line(flag: Flag, file: str | None) -> dict[str, Any]:
    """Return one judged utterance or sound, or a second reading. All times are seconds, also in `hits`.

    Only a sound has `sound`. Only a flag of a label that needs words and second ear has `withheld` or `released`.
    Only a flag that the policy calls fit for an automatic action has `act`.
    """
    more = {"sound": flag.sound, "withheld": flag.withheld, "released": flag.released, "act": flag.act}
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


def unheard_line(status: SpeechStatus) -> dict[str, Any]:
    """Return one utterance of a recording that was not judged. Times are seconds."""
    return {
        "kind": "unheard",
        "file": status.room,
        "room": status.room,
        "speaker": status.speaker,
        "start": round(status.start, 3),
        "end": round(status.end, 3),
        "state": status.state,
        "reason": status.reason,
        "language": status.language,
    }


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
    # Null, not left out: programs read the same keys for texts and recordings.
    nowhere: dict[str, Any] = dict.fromkeys(("room", "speaker", "start", "end", "confidence"))
    hits = [_hit(hit, hit.start, hit.end) for hit in flag.hits]
    kind = {"kind": "utterance", "line": place.line, "id": place.id}
    return kind | utterance_line(flag, None) | nowhere | {"hits": hits, "suggestion": flag.verdict}


def file_line(report: "FileReport") -> dict[str, Any]:
    """Return the summary of one recording."""
    return {
        "kind": "file",
        "file": report.file,
        "seconds": round(report.seconds, 3),
        "speech_seconds": round(report.speech_seconds, 3),
        "utterances": report.utterances,
        "unheard": report.unheard,
        "suggestion": report.suggestion,
        "error": report.error,
    }


def error_line(place: "InputPlace", error: str) -> dict[str, Any]:
    """Return the error of an input line that could not be read."""
    return {"kind": "error", "line": place.line, "error": error}


def _hit(hit: Hit, start: float | None, end: float | None) -> dict[str, Any]:
    place = [round(value, 3) if isinstance(value, float) else value for value in (start, end)]
    return {"term": hit.term, "label": hit.label, "level": hit.level, "start": place[0], "end": place[1]}


WHY = {
    "language": "are in the language {language}, which asr.languages does not have",
    "no_words": "have no words that the recogniser understands",
}


def say_unheard(counted: Counter[tuple[str, str]], done: str, hint: str = "") -> None:
    """Say on stderr how many utterances were not `done`, by reason and language. A `hint` follows each language."""
    for (reason, language), count in counted.most_common():
        why = WHY.get(reason, "have failed: {reason}").format(reason=reason, language=language)
        note = f"{count} utterances {why}. They were not {done}. {hint.format(language=language) if language else ''}"
        stderr.print(note.rstrip(), highlight=False)


class Writer(Protocol):
    def write(self, found: "Found") -> None: ...

    def close(self) -> None: ...


class TableWriter:
    """One row for each utterance as it arrives, and one line for each file."""

    def write(self, found: "Found") -> None:
        if isinstance(found, Flag):
            stdout.print(flag_row(found))
        elif isinstance(found, SpeechStatus):
            stdout.print(unheard_row(found))
        else:
            _print_report(found)

    def close(self) -> None:
        stdout.file.flush()


class JsonLinesWriter:
    """One JSON object in each line, as docs/contract.md defines."""

    def write(self, found: "Found") -> None:
        sys.stdout.write(json_text(json.dumps(_line(found), ensure_ascii=False)) + "\n")
        sys.stdout.flush()
        _say_error(found)

    def close(self) -> None:
        sys.stdout.flush()


class JsonWriter:
    """The same JSON objects as one array."""

    def __init__(self) -> None:
        self._first = True

    def write(self, found: "Found") -> None:
        sys.stdout.write(("[\n" if self._first else ",\n") + json_text(json.dumps(_line(found), ensure_ascii=False)))
        self._first = False
        _say_error(found)

    def close(self) -> None:
        sys.stdout.write("[]\n" if self._first else "\n]\n")
        sys.stdout.flush()


class SrtWriter:
    """Subtitles of one recording, by time. The labels of flagged speech stand before the text.

    A finding of the second reader replaces the judge's verdict on the same speech, which was milder.
    """

    def __init__(self) -> None:
        self._shown: dict[str, Flag | SpeechStatus] = {}

    def write(self, found: "Found") -> None:
        if isinstance(found, SpeechStatus) or (isinstance(found, Flag) and _subtitle(found)):
            self._shown[found.utterance] = found
        _say_error(found)

    def close(self) -> None:
        from pipeline.speech.asr.transcripts import srt_cue, timed

        for number, (found, end) in enumerate(timed(self._shown.values()), 1):
            sys.stdout.write(srt_cue(number, found.start, end, harmless(_subtitle(found))))
        sys.stdout.flush()


def _subtitle(found: Flag | SpeechStatus) -> str:
    if isinstance(found, SpeechStatus):
        return f"[unheard: {why_unheard(found)}]"
    mark = "" if found.suggestion == "pass" else f"[{found.suggestion}: {', '.join(found.flagged)}] "
    return mark + found.text


def _line(found: "Found") -> dict[str, Any]:
    if isinstance(found, SpeechStatus):
        return unheard_line(found)
    return utterance_line(found, found.room) if isinstance(found, Flag) else file_line(found)


def _print_report(report: "FileReport") -> None:
    _say_error(report)
    if report.suggestion or report.unheard:
        result = report.suggestion or "unheard"
        unheard = f" ({report.unheard} more unheard)" if report.unheard else ""
        stdout.print(
            f"[bold]{escape(report.file)}[/]  [{STYLES[result]}]{SHAPES[result]} {result}[/]  {report.utterances} "
            f"utterances{unheard}, {report.speech_seconds:.0f} s of speech in {clock(report.seconds)}\n",
            highlight=False,
        )


def _say_error(found: "Found") -> None:
    if not isinstance(found, Flag | SpeechStatus) and found.error:
        say_error(found.error)


WRITERS: dict[str, type[Writer]] = {
    "table": TableWriter,
    "json": JsonWriter,
    "jsonl": JsonLinesWriter,
    "srt": SrtWriter,
}


log = logging.getLogger(__name__)

# The most lines that wait for the reader. Above it, new lines are dropped.
MAX_LINES = 1_000
LAST_SECONDS = 5.0  # seconds that the reader has for the last lines


class LineWriter:
    """`with LineWriter(failed) as writer: writer.write(line)`. The end of the block writes the waiting lines.

    If a line cannot be written, because the reader has ended or the disk is full, `failed` is called once. The end of
    the block then raises the error.
    """

    def __init__(self, failed: Callable[[], object]) -> None:
        self._failed = failed
        self._waiting: Queue[str | None] = Queue(MAX_LINES)
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._error: BaseException | None = None
        self._dropped = 0

    def __enter__(self) -> "LineWriter":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(Full):  # the reader does not read: the daemon thread ends with the process
            self._waiting.put(None, timeout=LAST_SECONDS)
        self._thread.join(LAST_SECONDS)
        if self._dropped:
            log.warning("%d lines were dropped because the reader of the output was too slow", self._dropped)
        if self._error and not error:
            raise self._error

    def write(self, line: str) -> None:
        """Write a line soon, without waiting: a slow reader of the output must not stop moderation."""
        try:
            self._waiting.put_nowait(line)
        except Full:
            self._dropped += 1

    def _run(self) -> None:
        while (line := self._waiting.get()) is not None:
            if not self._error:  # after an error, only empty the queue
                self._print(line)

    def _print(self, line: str) -> None:
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except BaseException as error:  # SystemExit, too: the reader has ended
            self._error = error
            self._failed()
