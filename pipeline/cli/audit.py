"""`voxwarden audit`: check and export the log of who saw, heard and decided what."""

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
        str | None, typer.Option(metavar="HASH", help="A head that you stored earlier. It must be in the log.")
    ] = None,
) -> None:
    """Check that the audit log is unchanged.

    Use it before an audit. The command recomputes the chain of hashes. The exit code is 3 if the chain is broken. It
    also prints the last hash, the head. Store the head where the owner of the database cannot change it. Pass it later
    as --expect: the check then also finds a log that was cut or forged.

    Example:
      voxwarden audit verify --expect HASH
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
        raise InputError(
            f"The audit log is broken at line {report.broken}: {report.reason}",
            "Keep a copy of the database, and find out why.",
        )
    if not known:
        raise InputError("The audit log does not hold the expected head", "The log was cut or forged. Find out why.")
    stdout.print(f"{report.lines} lines, unchanged. Head {report.head}", soft_wrap=True, highlight=False)


@audit.command()
def export(
    ctx: typer.Context, after: Annotated[int, typer.Option(min=0, help="Only lines after this number.")] = 0
) -> None:
    """Write the audit log as JSON lines.

    Use it to archive the log or to search it. The first line describes the export.

    Example:
      voxwarden audit export > audit.jsonl
    """
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
