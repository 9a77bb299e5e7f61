"""`voxwarden judge`: text to verdict, alone."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, TypeAlias

import typer

from pipeline.cli.app import Exit, FailOn, app, say_error, settings_of, stderr, stdout, with_policy
from pipeline.cli.roomtype import tell_unknown
from pipeline.cli.terminal import json_text
from pipeline.errors import TextError
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.cli.textlines import InputPlace, Numbered
    from pipeline.judge.judge import Judge
    from pipeline.judge.texts import Text
    from pipeline.messages import Flag

    Outcome: TypeAlias = tuple[InputPlace, Flag | TextError]


class JudgeFormat(StrEnum):
    TABLE = "table"
    JSONL = "jsonl"


@app.command()
def judge(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(help="A file of texts, one a line; - is standard input.")] = "-",
    policy: Annotated[str | None, typer.Option(help="A policy by name or path, instead of judge.policy.")] = None,
    room_type: Annotated[str, typer.Option(help="Which rules of the policy hold, e.g. kids.")] = "default",
    form: Annotated[JudgeFormat, typer.Option("--format", help="How results are written.")] = JudgeFormat.TABLE,
    fail_on: Annotated[FailOn | None, typer.Option(help="Exit with 1 if anything is at least this bad.")] = None,
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Texts judged together, at most.")] = 32,
) -> None:
    """Judge texts: what of them is risky, and what to do about it.

    One text a line, or one JSON object {"text", "language", "room_type", "id"} a line, of which only "text" must be
    there. Every line gets one result, in order, as soon as it is judged, with its line number and its id. A line that
    cannot be read is named, the rest goes on, and the exit code is 3. In JSON lines the hits count in characters of
    the text.

    Examples:
      echo "add me on telegram" | voxwarden judge
      voxwarden judge chat.txt --format jsonl > verdicts.jsonl
      voxwarden judge chat.jsonl --room-type kids --policy strict --fail-on review
    """
    settings = with_policy(settings_of(ctx), policy)
    tell_unknown(settings, room_type)
    write = {JudgeFormat.TABLE: write_row, JudgeFormat.JSONL: write_line}[form]
    code = Exit.CLEAN
    with _opened(file) as stream:
        for place, found in outcomes(stream, settings, room_type, batch):
            write(place, found)
            code = max(code, _code(found, fail_on))
    raise typer.Exit(code)


def _code(found: "Flag | TextError", fail_on: FailOn | None) -> Exit:
    if isinstance(found, TextError):
        return Exit.FAILED
    return Exit.FLAGGED if fail_on and fail_on.holds_for(found.suggestion) else Exit.CLEAN


def outcomes(stream: BinaryIO, settings: Settings, room_type: str, batch: int) -> "Iterator[Outcome]":
    """Each line's place with its flag, or with what is wrong with it."""
    from pipeline.cli.textlines import batches, lines_of
    from pipeline.judge.judge import build
    from pipeline.metrics import Metrics

    judge = build(settings, Metrics())
    for lines in batches(lines_of(stream), batch):
        yield from _Lines(judge, room_type).judged(lines)


@dataclass(frozen=True, slots=True)
class _Lines:
    judge: "Judge"
    room_type: str

    def judged(self, lines: "list[Numbered]") -> "Iterator[Outcome]":
        from pipeline.judge.texts import Text, judge_texts

        read = [self._read(raw, number) for number, raw in lines]
        flags = iter(judge_texts(self.judge, [text for _, text in read if isinstance(text, Text)]))
        for place, text in read:
            yield place, text if isinstance(text, TextError) else next(flags)

    def _read(self, raw: bytes, number: int) -> "tuple[InputPlace, Text | TextError]":
        from pipeline.cli.textlines import InputPlace, text_of

        try:
            return text_of(raw, number, self.room_type)
        except TextError as error:
            return InputPlace(number), error


def write_row(place: "InputPlace", found: "Flag | TextError") -> None:
    from pipeline.cli.table import flag_row

    if isinstance(found, TextError):
        say_error(found)
    else:
        stdout.print(flag_row(found, f"line {place.line}"))


def write_line(place: "InputPlace", found: "Flag | TextError") -> None:
    from pipeline.cli.lines import error_line, text_line

    if isinstance(found, TextError):
        say_error(found)
        line = error_line(place, str(found))
    else:
        line = text_line(found, place)
    sys.stdout.write(json_text(json.dumps(line, ensure_ascii=False)) + "\n")
    sys.stdout.flush()


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        if sys.stdin.isatty():
            stderr.print("Reading texts from the keyboard, one a line; end with Ctrl-D.")
        yield sys.stdin.buffer
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115 - closed below, where an error is the judge's
    except FileNotFoundError as error:
        raise TextError(f"There is no file {file}", "Name a file of texts, or - for standard input.") from error
    except OSError as error:
        raise TextError(f"{file} cannot be read: {error.strerror}", "Name a file of texts.") from error
    with stream:
        yield stream
