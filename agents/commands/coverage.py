"""`voxwarden coverage`: the share of utterances that were transcribed."""

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from agents.commands.app import Exit, app, settings_of, stderr, stdout
from agents.commands.cases import moment
from agents.commands.progress import progress_bar
from agents.commands.terminal import json_text, plain

if TYPE_CHECKING:
    from agents.broker.stored_transcripts import Source
    from pipeline.runner.transcription_coverage import Coverage
    from pipeline.settings import Settings

Local = Annotated[
    bool, typer.Option("--local", help="Read the data_dir of `voxwarden run` on this machine, not Kafka.")
]


@app.command()
def coverage(
    ctx: typer.Context,
    since: Annotated[
        str | None,
        typer.Option("--from", help="Start: an age such as 30m, 12h or 7d, or a UTC time such as 2026-01-31T08:00."),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="End, in the same formats. Default: no limit.")] = None,
    local: Local = False,
    form: Annotated[
        Literal["table", "jsonl"], typer.Option("--format", help="table for a person, jsonl for a program.")
    ] = "table",
) -> None:
    """Count the transcribed utterances and those that were skipped, by room type.

    Speech is skipped under overload, or because it is in a language that asr.languages does not have. The figures come
    from voice.transcripts on Kafka, or with --local from the look-back of this machine. An utterance that arrived twice
    counts once. The exit code is 3 if a transcript cannot be read, or with --local if a stage could not handle an
    utterance.

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
        stderr.print(f"{lost} utterances could not be handled. See {where}.", highlight=False)
    raise typer.Exit(Exit.FAILED if lost else Exit.CLEAN)


def _of_machine(settings: "Settings", since: float | None, until: float | None) -> "tuple[Coverage, int]":
    from pipeline.review.evidence.lookback import existing_lookback
    from pipeline.runner.transcription_coverage import of_lookback

    return of_lookback(existing_lookback(settings), since or 0.0, float("inf") if until is None else until)


def _of_kafka(settings: "Settings", since: float | None, until: float | None) -> "tuple[Coverage, int]":
    from agents.broker.stored_transcripts import from_kafka

    with from_kafka(settings.kafka, since, until) as source:
        return _count(source)


def _count(source: "Source") -> "tuple[Coverage, int]":
    """Return the coverage, and the number of transcripts that cannot be read."""
    from pipeline.contract.messages import Transcript
    from pipeline.runner.transcription_coverage import Coverage

    found, unreadable = Coverage(), 0
    with progress_bar() as bar:
        for transcript in bar.track(source.stream, total=source.total, description="counting"):
            if isinstance(transcript, Transcript):
                found.add(transcript)
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
