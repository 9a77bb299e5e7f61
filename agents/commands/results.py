"""Write the results of `moderate`: a table for a person, JSON for a program, or subtitles for a player."""

import json
import sys
from typing import Any, Protocol

from rich.markup import escape

from agents.commands.app import say_error, stdout
from agents.commands.lines import file_line, utterance_line
from agents.commands.table import SHAPES, STYLES, clock, flag_row
from agents.commands.terminal import harmless, json_text
from pipeline.contract.messages import Flag
from pipeline.runner.recordings_runner import FileReport
from pipeline.speech.asr.transcripts import srt_cue


class Writer(Protocol):
    def write(self, found: Flag | FileReport) -> None: ...

    def close(self) -> None: ...


class TableWriter:
    """One row for each utterance as it arrives, and one line for each file."""

    def write(self, found: Flag | FileReport) -> None:
        if isinstance(found, Flag):
            stdout.print(flag_row(found))
        else:
            _print_report(found)

    def close(self) -> None:
        stdout.file.flush()


class JsonLinesWriter:
    """One JSON object in each line, as docs/contract.md defines."""

    def write(self, found: Flag | FileReport) -> None:
        sys.stdout.write(json_text(json.dumps(_line(found), ensure_ascii=False)) + "\n")
        sys.stdout.flush()
        _say_error(found)

    def close(self) -> None:
        sys.stdout.flush()


class JsonWriter:
    """The same JSON objects as one array."""

    def __init__(self) -> None:
        self._first = True

    def write(self, found: Flag | FileReport) -> None:
        sys.stdout.write(("[\n" if self._first else ",\n") + json_text(json.dumps(_line(found), ensure_ascii=False)))
        self._first = False
        _say_error(found)

    def close(self) -> None:
        sys.stdout.write("[]\n" if self._first else "\n]\n")
        sys.stdout.flush()


class SrtWriter:
    """Subtitles of one recording, by time. The labels of flagged speech stand before the text."""

    def __init__(self) -> None:
        self._flags: list[Flag] = []

    def write(self, found: Flag | FileReport) -> None:
        if isinstance(found, Flag):
            self._flags.append(found)
        _say_error(found)

    def close(self) -> None:
        for number, flag in enumerate(sorted(self._flags, key=lambda flag: flag.start), 1):
            mark = "" if flag.suggestion == "pass" else f"[{flag.suggestion}: {', '.join(flag.flagged)}] "
            sys.stdout.write(srt_cue(number, flag.start, flag.end, mark + harmless(flag.text)))
        sys.stdout.flush()


def _line(found: Flag | FileReport) -> dict[str, Any]:
    return file_line(found) if isinstance(found, FileReport) else utterance_line(found, found.room)


def _print_report(report: FileReport) -> None:
    _say_error(report)
    if report.suggestion:
        style = STYLES[report.suggestion]
        stdout.print(
            f"[bold]{escape(report.file)}[/]  [{style}]{SHAPES[report.suggestion]} {report.suggestion}[/]  "
            f"{report.utterances} utterances, {report.speech_seconds:.0f} s of speech in {clock(report.seconds)}\n",
            highlight=False,
        )


def _say_error(found: Flag | FileReport) -> None:
    if isinstance(found, FileReport) and found.error:
        say_error(found.error)


WRITERS: dict[str, type[Writer]] = {
    "table": TableWriter,
    "json": JsonWriter,
    "jsonl": JsonLinesWriter,
    "srt": SrtWriter,
}
