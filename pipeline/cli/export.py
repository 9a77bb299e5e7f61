"""`voxwarden export`: what people decided, for programs that learn from it."""

import sys
import time
from typing import Annotated

import msgspec
import typer

from pipeline.cli.app import app, settings_of
from pipeline.cli.cases import moment
from pipeline.cli.terminal import json_text

export = typer.Typer(no_args_is_help=True, help="Write what was decided for other programs.", rich_markup_mode="rich")
app.add_typer(export, name="export")


@export.callback()
def commands() -> None:
    """Write what was decided for other programs."""


@export.command("decisions")
def export_decisions(
    ctx: typer.Context,
    since: Annotated[
        str | None, typer.Option(help="Decided since: 30m, 12h, 7d ago, or 2026-01-31T08:00 (UTC).")
    ] = None,
) -> None:
    """Write decided cases as training data, JSON lines: the text and its labels. No audio and no names.

    It is still what people said in private rooms: keep it as you keep the review store. That it was written is in the
    audit log.

    [bold]voxwarden export decisions --since 30d > decisions.jsonl[/bold]
    """
    from pipeline.review import audit
    from pipeline.review.database import Database
    from pipeline.review.quality import exporting

    now = time.time()
    begin = 0.0 if since is None else moment(since, now)
    database = Database(settings_of(ctx).database_url, must_exist=True)
    try:
        with database.write() as connection:
            audit.append(connection, now, "cli", "export.decisions", "", {"since": begin})
        with database.read() as connection:
            for example in exporting.examples(connection, begin):
                sys.stdout.write(json_text(msgspec.json.encode(example).decode()) + "\n")
    finally:
        database.close()
