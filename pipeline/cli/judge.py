"""`voxwarden judge`: text to verdict, alone."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, TypeAlias

import typer
from rich.markup import escape

from pipeline.cli.app import Exit, app, settings_of, stderr, stdout
from pipeline.errors import TextError
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.cli.textlines import Numbered
    from pipeline.judge.judge import Judge
    from pipeline.messages import Flag

    Outcome: TypeAlias = tuple[int, Flag | TextError]


class Format(StrEnum):
    TABLE = "table"
    JSONL = "jsonl"


@app.command()
def judge(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(help="A file of texts, one a line; - is standard input.")] = "-",
    policy: Annotated[str | None, typer.Option(help="A policy by name or path, instead of judge.policy.")] = None,
    room_type: Annotated[str, typer.Option(help="Which rules of the policy hold, e.g. kids.")] = "default",
    form: Annotated[Format, typer.Option("--format", help="How results are written.")] = Format.TABLE,
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Texts judged together, at most.")] = 32,
) -> None:
    """Judge texts: what of them is risky, and what to do about it.

    One text a line, or one JSON object {"text", "language", "room_type"} a line, of which only "text" must be there.
    Every line gets one result, in order, as soon as it is judged. A line that cannot be read is named and the rest
    goes on; then the exit code is 3. In JSON lines the hits count in characters of the text.

    Examples:
      echo "add me on telegram" | voxwarden judge
      voxwarden judge chat.txt --format jsonl > verdicts.jsonl
      voxwarden judge chat.jsonl --room-type kids --policy strict
    """
    settings = with_policy(settings_of(ctx), policy)
    write = {Format.TABLE: write_row, Format.JSONL: write_line}[form]
    code = Exit.CLEAN
    with _opened(file) as stream:
        for number, found in outcomes(stream, settings, room_type, batch):
            write(number, found)
            code = Exit.FAILED if isinstance(found, TextError) else code
    raise typer.Exit(code)


def with_policy(settings: Settings, policy: str | None) -> Settings:
    if not policy:
        return settings
    return settings.model_copy(update={"judge": settings.judge.model_copy(update={"policy": policy})})


def outcomes(stream: Iterable[bytes], settings: Settings, room_type: str, batch: int) -> "Iterator[Outcome]":
    """Each line's number with its flag, or with what is wrong with it."""
    from pipeline.cli.textlines import batches
    from pipeline.judge.judge import build
    from pipeline.metrics import Metrics

    judge = build(settings, Metrics())
    for lines in batches(stream, batch):
        yield from _Lines(judge, room_type).judged(lines)


@dataclass(frozen=True, slots=True)
class _Lines:
    judge: "Judge"
    room_type: str

    def judged(self, lines: "list[Numbered]") -> "Iterator[Outcome]":
        from pipeline.judge.texts import Text, judge_texts

        read = [(number, self._read(raw, number)) for number, raw in lines]
        flags = iter(judge_texts(self.judge, [text for _, text in read if isinstance(text, Text)]))
        for number, text in read:
            yield number, text if isinstance(text, TextError) else next(flags)

    def _read(self, raw: bytes, number: int) -> Any:
        from pipeline.cli.textlines import text_of

        try:
            return text_of(raw, number, self.room_type)
        except TextError as error:
            return error


def write_row(number: int, found: "Flag | TextError") -> None:
    from pipeline.cli.table import flag_row

    if isinstance(found, TextError):
        _say(found)
    else:
        stdout.print(flag_row(found, f"line {number}"))


def write_line(number: int, found: "Flag | TextError") -> None:
    from pipeline.cli.lines import error_line, text_line

    if isinstance(found, TextError):
        _say(found)
        line = error_line(number, str(found))
    else:
        line = text_line(found)
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _say(error: TextError) -> None:
    stderr.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        if sys.stdin.isatty():
            stderr.print("Reading texts from the keyboard, one a line; end with Ctrl-D.")
        yield sys.stdin.buffer
        return
    if not Path(file).is_file():
        raise TextError(f"There is no file {file}", "Name a file of texts, or - for standard input.")
    with Path(file).open("rb") as stream:
        yield stream
