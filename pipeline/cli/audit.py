"""`voxwarden audit`: the log of who saw, heard and decided what."""

import sys
from typing import Annotated

import msgspec
import typer

from pipeline.cli.app import app, settings_of, stdout
from pipeline.cli.terminal import json_text
from pipeline.errors import InputError

audit = typer.Typer(no_args_is_help=True, help="Check and export the audit log.", rich_markup_mode="rich")
app.add_typer(audit, name="audit")


@audit.command()
def verify(
    ctx: typer.Context,
    expect: Annotated[
        str | None, typer.Option(metavar="HASH", help="A head that was noted earlier; it must be in the log.")
    ] = None,
) -> None:
    """Compute the chain of hashes anew. Exit code 3 where it is broken.

    Note the head where the database's owner cannot reach it; given as --expect, it shows a log that was cut or forged.
    """
    from pipeline.review import audit as log
    from pipeline.review.database import Database

    database = Database(settings_of(ctx).database_url, must_exist=True)
    try:
        with database.read() as connection:
            report = log.verify(connection)
            known = expect is None or log.holds(connection, expect)
    finally:
        database.close()
    if report.broken is not None:
        raise InputError(f"The audit log is broken at line {report.broken}: {report.reason}", "Keep a copy; ask why.")
    if not known:
        raise InputError("The head that was noted is not in the audit log", "It was cut or forged since; ask why.")
    stdout.print(f"{report.lines} lines, sound. Head {report.head}", soft_wrap=True, highlight=False)


@audit.command()
def export(ctx: typer.Context, after: Annotated[int, typer.Option(min=0, help="Lines after this number.")] = 0) -> None:
    """Write the log as JSON lines; the first says what was asked for."""
    from pipeline.review import audit as log
    from pipeline.review.database import Database

    database = Database(settings_of(ctx).database_url, must_exist=True)
    try:
        with database.read() as connection:
            _line({"export": "audit", "after": after})
            for line in log.lines(connection, after):
                _line(line)
    finally:
        database.close()


def _line(value: object) -> None:
    sys.stdout.write(json_text(msgspec.json.encode(value).decode()) + "\n")
