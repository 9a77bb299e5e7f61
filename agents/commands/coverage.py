"""`voxwarden coverage`: how much of what was said was heard."""

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from pipeline.cli.app import Exit, app, settings_of, stderr, stdout
from pipeline.cli.cases import moment
from pipeline.cli.casetables import plain
from pipeline.cli.progress import progress_bar

if TYPE_CHECKING:
    from agents.transcripts import Source
    from pipeline.coverage import Coverage


@app.command()
def coverage(
    ctx: typer.Context,
    since: Annotated[
        str | None, typer.Option("--from", help="Transcribed since: 30m, 12h, 7d ago, or 2026-01-31T08:00 (UTC).")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Transcribed before; unset: all that is there.")] = None,
    form: Annotated[Literal["table", "jsonl"], typer.Option("--format", help="For a person, or a program.")] = "table",
) -> None:
    """Count, by type of room, the utterances that were heard and those that overload skipped.

    From voice.transcripts, as long as Kafka keeps them: each utterance once, also one that came twice. A transcript
    that cannot be read is counted, and the exit code is then 3.

    Example:
      voxwarden coverage --from 12h
    """
    from agents.transcripts import from_kafka

    settings, now = settings_of(ctx), time.time()
    first = moment(since, now, "--from") if since else None
    end = moment(until, now, "--to") if until else None
    with from_kafka(settings.kafka, first, end) as source:
        found, unreadable = _count(source)
    if form == "table":
        stdout.print(_table(found))
    else:
        _write(found)
    if unreadable:
        stderr.print(f"{unreadable} transcripts could not be read; voice.dead-letters has them.")
    raise typer.Exit(Exit.FAILED if unreadable else Exit.CLEAN)


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
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
