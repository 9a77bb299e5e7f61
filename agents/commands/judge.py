"""`voxwarden judge`: judge texts without audio."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal, TypeAlias

import typer

from agents.commands.app import Exit, app, exit_of, say_error, settings_of, warn_unknown, with_options
from agents.commands.terminal import json_text, stderr, stdout
from pipeline.base.errors import TextError
from pipeline.settings import Settings

if TYPE_CHECKING:
    from agents.commands.textlines import InputPlace
    from pipeline.contract.messages import Flag
    from pipeline.judge.text_transcripts import Text

    Outcome: TypeAlias = tuple[InputPlace, Flag | TextError]


JudgeFailOn = Literal["review", "block"]


class JudgeFormat(StrEnum):
    TABLE = "table"
    JSONL = "jsonl"


@app.command()
def judge(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(help="A file with one text in each line; - is standard input.")] = "-",
    policy: Annotated[str | None, typer.Option(help="A policy by name or path. Default: judge.policy.")] = None,
    room_type: Annotated[
        str, typer.Option(help="The type of the room, which selects rules of the policy, e.g. kids.")
    ] = "default",
    form: Annotated[
        JudgeFormat, typer.Option("--format", help="table for a person, jsonl for a program.")
    ] = JudgeFormat.TABLE,
    fail_on: Annotated[
        JudgeFailOn | None, typer.Option(help="Exit with 1 if a suggestion is at least this severe.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Judge at most this many texts at a time.")] = 32,
) -> None:
    """Judge texts: find what breaks the rules, and suggest what to do.

    Use it to try a policy, or to moderate a chat. Each line is one text, or one JSON object {"text", "language",
    "room_type", "id"}, in which only "text" is required. Every line gets one result with its line number and its id, in
    order and as soon as it is judged. A line that cannot be read is reported, the others are still judged, and the exit
    code is 3. A text in a script or language that is not judged has no verdict. In JSON lines, its "language" is
    "unsupported" and its "suggestion" null; the positions of hits are character offsets in the text.

    A line can also have "speaker", "start" (seconds) and "room". These lines are judged like live speech: cool-downs
    apply, and the classifier reads a line in the context of earlier lines. Write the lines in the order of "start".

    Examples:
      echo "add me on telegram" | voxwarden judge
      voxwarden judge chat.txt --format jsonl > flags.jsonl
      voxwarden judge chat.jsonl --room-type kids --policy strict --fail-on review
    """
    settings = with_options(settings_of(ctx), "judge", policy=policy or None)
    warn_unknown(settings, room_type)
    write = {JudgeFormat.TABLE: write_row, JudgeFormat.JSONL: write_line}[form]
    code = Exit.CLEAN
    with _opened(file) as stream:
        for place, found in outcomes(stream, settings, room_type, batch):
            write(place, found)
            code = max(code, Exit.FAILED if isinstance(found, TextError) else exit_of(found.verdict, fail_on))
    raise typer.Exit(code)


def outcomes(stream: BinaryIO, settings: Settings, room_type: str, batch: int) -> "Iterator[Outcome]":
    """Yield each line's place with its flag, or with the error of a line that cannot be read."""
    from agents.commands.textlines import batches, lines_of
    from pipeline.base.metrics import Metrics
    from pipeline.judge.judge_stage import build
    from pipeline.judge.lexicon import judged_languages, language_to_judge
    from pipeline.judge.text_transcripts import Text, judge_texts

    known = judged_languages(settings.judge)

    def told(text: Text) -> Text:
        return replace(text, language=language_to_judge(text.text, text.language, known))

    judge = build(settings, Metrics())
    for lines in batches(lines_of(stream), batch):
        read = [_read(raw, number, room_type) for number, raw in lines]
        flags = iter(judge_texts(judge, [told(text) for _, text in read if isinstance(text, Text)]))
        for place, text in read:
            yield place, text if isinstance(text, TextError) else next(flags)


def _read(raw: bytes, number: int, room_type: str) -> "tuple[InputPlace, Text | TextError]":
    from agents.commands.textlines import InputPlace, text_of

    try:
        return text_of(raw, number, room_type)
    except TextError as error:
        return InputPlace(number), error


def write_row(place: "InputPlace", found: "Flag | TextError") -> None:
    from agents.commands.table import flag_row

    if isinstance(found, TextError):
        say_error(found)
    else:
        stdout.print(flag_row(found, f"line {place.line}"))


def write_line(place: "InputPlace", found: "Flag | TextError") -> None:
    from agents.commands.results import error_line, text_line

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
            stderr.print("Reading texts from the keyboard, one in each line. End with Ctrl-D.")
        yield sys.stdin.buffer
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115 - closed below; an error there comes from the judge
    except FileNotFoundError as error:
        raise TextError(f"There is no file {file}", "Name a file of texts, or - for standard input.") from error
    except OSError as error:
        raise TextError(f"{file} cannot be read: {error.strerror}", "Name a file of texts.") from error
    with stream:
        yield stream
