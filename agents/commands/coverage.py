"""`voxwarden coverage`: how much of what was said was heard."""

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from pipeline.cli.app import Exit, app, settings_of, stderr, stdout
from pipeline.cli.cases import moment
from pipeline.cli.progress import progress_bar
from pipeline.cli.terminal import json_text, plain

if TYPE_CHECKING:
    from agents.transcripts import Source
    from pipeline.coverage import Coverage
    from pipeline.settings import Settings

Local = Annotated[bool, typer.Option("--local", help="Of `voxwarden run` on this machine: no Kafka, but data_dir.")]


@app.command()
def coverage(
    ctx: typer.Context,
    since: Annotated[
        str | None, typer.Option("--from", help="Transcribed since: 30m, 12h, 7d ago, or 2026-01-31T08:00 (UTC).")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Transcribed before; unset: all that is there.")] = None,
    local: Local = False,
    form: Annotated[Literal["table", "jsonl"], typer.Option("--format", help="For a person, or a program.")] = "table",
) -> None:
    """Count, by type of room, the utterances that were heard and those that overload skipped.

    From voice.transcripts, as long as Kafka keeps them, or with --local from the look-back. Each utterance counts once,
    also one that came twice. The exit code is 3 if there is a transcript that cannot be read, or with --local an
    utterance that a stage could not handle.

    Examples:
      voxwarden coverage --from 12h
      voxwarden coverage --local
    """
    settings, now = settings_of(ctx), time.time()
    first = moment(since, now, "--from") if since else None
    end = moment(until, now, "--to") if until else None
    found, lost = _of_machine(settings, first, end) if local else _of_kafka(settings, first, end)
    if form == "table":
        stdout.print(_table(found))
    else:
        _write(found)
    if lost:
        where = "`voxwarden dead-letters list --local`" if local else "voice.dead-letters"
        stderr.print(f"{lost} utterances could not be handled; {where} has them.", highlight=False)
    raise typer.Exit(Exit.FAILED if lost else Exit.CLEAN)


def _of_machine(settings: "Settings", since: float | None, until: float | None) -> "tuple[Coverage, int]":
    from pipeline.coverage import of_lookback
    from pipeline.review.evidence.lookback import kept_lookback

    return of_lookback(kept_lookback(settings), since or 0.0, float("inf") if until is None else until)


def _of_kafka(settings: "Settings", since: float | None, until: float | None) -> "tuple[Coverage, int]":
    from agents.transcripts import from_kafka

    with from_kafka(settings.kafka, since, until) as source:
        return _count(source)


def _count(source: "Source") -> "tuple[Coverage, int]":
    """Also how many could not be read."""
    from pipeline.coverage import Coverage
    from pipeline.messages import Transcript

    found, unreadable = Coverage(), 0
    with progress_bar() as bar:
        for kept in bar.track(source.stream, total=source.total, description="counting"):
            if isinstance(kept, Transcript):
                found.add(kept)
            else:
                unreadable += 1
    return found, unreadable


def _table(found: "Coverage") -> Table:
    table = Table("Room type")
    for column in ("Heard", "Skipped", "Coverage"):
        table.add_column(column, justify="right")
    for kind in found.room_types:
        table.add_row(
            plain(kind), f"{found.heard[kind]:,}", f"{found.skipped[kind]:,}", f"{100 * found.share(kind):.1f} %"
        )
    return table


def _write(found: "Coverage") -> None:
    for kind in found.room_types:
        line = {
            "room_type": kind,
            "heard": found.heard[kind],
            "skipped": found.skipped[kind],
            "coverage": round(found.share(kind), 6),
        }
        sys.stdout.write(json_text(json.dumps(line, ensure_ascii=False)) + "\n")
