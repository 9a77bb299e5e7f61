"""`voxwarden export`: write moderators' decisions as training data."""

import sys
import time
from typing import Annotated

import msgspec
import typer

from agents.commands.app import add_group
from agents.commands.cases import moment
from agents.commands.store import database_of
from agents.commands.terminal import json_text

export = add_group("export", "Write moderators' decisions for other programs.")


@export.callback()
def commands() -> None:
    """Keep `decisions` a command of its own: without a callback, Typer would make it the group."""


@export.command("decisions")
def export_decisions(
    ctx: typer.Context,
    since: Annotated[
        str | None,
        typer.Option(
            help="Only decisions since: an age such as 30m, 12h or 7d, or a UTC time such as 2026-01-31T08:00."
        ),
    ] = None,
) -> None:
    """Write decided cases as training data in JSON lines: the text and its labels, without audio or names.

    Use it to train or to measure a classifier. The texts were spoken in private rooms, so protect them as you protect
    the review store. The audit log records the export.

    Example:
      voxwarden export decisions --since 30d > decisions.jsonl
    """
    from pipeline.learning import decided_cases
    from pipeline.review import audit_log

    now = time.time()
    begin = 0.0 if since is None else moment(since, now)
    with database_of(ctx) as database:
        with database.write() as connection:  # first: an export that is interrupted is in the log, too
            audit_log.append(connection, now, "cli", "export.decisions", "", {"since": begin})
        with database.read() as connection:
            for example in decided_cases.examples(connection, begin):
                sys.stdout.write(json_text(msgspec.json.encode(example).decode()) + "\n")
