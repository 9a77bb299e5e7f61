"""`voxwarden audit`: check and export the log of who saw, heard and decided what."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from agents.commands.app import add_group, settings_of
from agents.commands.store import database_of
from agents.commands.table import utc
from agents.commands.terminal import json_text, stdout
from pipeline.base.errors import InputError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pipeline.review.audit_log import ChainReport
    from pipeline.settings import Settings

FORGED = "The log was cut or forged. Find out why."

audit = add_group("audit", "Check and export the audit log.")


@audit.command()
def verify(
    ctx: typer.Context,
    expect: Annotated[
        str | None, typer.Option(metavar="HASH", help="A head that you stored earlier. It must be in the log.")
    ] = None,
    anchors: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Signed anchors that the console wrote. The log must match them."),
    ] = None,
    public_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The public key of the anchors. Default: the .pub file beside audit.key."),
    ] = None,
) -> None:
    """Check that the audit log is unchanged.

    Use it before an audit. The command recomputes the chain of hashes, and tells from which line it holds. The exit
    code is 3 if the chain is broken. It also prints the last hash, the head. With --anchors, the command also finds a
    log that its owner has forged or cut.

    Example:
      voxwarden audit verify --anchors anchors.jsonl --public-key audit.key.pub
    """
    from pipeline.review import audit_log as log

    with database_of(ctx) as database, database.read() as connection:
        report = log.verify_chain(connection)
        _check(report)
        if expect and not log.holds(connection, expect):
            raise InputError("The audit log does not hold the expected head", FORGED)
        count = _check_anchors(connection, settings_of(ctx), anchors, public_key) if anchors else 0
    begin = f" since line {report.first}, {utc(report.since)}, by the anchor in line {report.anchor}"
    matched = f" {count} anchors match." if count else ""
    whole = begin if report.anchor else ""
    stdout.print(
        f"{report.lines} lines, unchanged{whole}.{matched} Head {report.head}", soft_wrap=True, highlight=False
    )


@audit.command()
def key(ctx: typer.Context) -> None:
    """Make the key that signs the anchors of the audit log, and print its fingerprint.

    Use it once, before you set audit.anchor_file or audit.anchor_url. Keep the .pub file beside the
    key where the owner of the database cannot change it.

    Example:
      voxwarden audit key
    """
    from pipeline.base import signing
    from pipeline.review import audit_watch

    path = audit_watch.audit_key_file(settings_of(ctx))
    stdout.print(f"{signing.make_key(path)}  {path}", soft_wrap=True, highlight=False)


@audit.command()
def export(
    ctx: typer.Context, after: Annotated[int, typer.Option(min=0, help="Only lines after this number.")] = 0
) -> None:
    """Write the audit log as JSON lines.

    Use it to archive the log or to search it. The first line describes the export.

    Example:
      voxwarden audit export > audit.jsonl
    """
    from pipeline.review import audit_log as log

    with database_of(ctx) as database, database.read() as connection:
        _line({"export": "audit", "after": after})
        for line in log.all_lines(connection, after):
            _line(line)


def _check(report: "ChainReport") -> None:
    if report.broken is not None:
        raise InputError(
            f"The audit log is broken at line {report.broken}: {report.reason}",
            "Keep a copy of the database, and find out why.",
        )


def _check_anchors(connection: "Connection", settings: "Settings", file: Path, public_key: Path | None) -> int:
    """Return the number of anchors. Raises InputError for the first one that does not match the log."""
    from pipeline.base import signing
    from pipeline.review import audit_watch

    pem = signing.read_public(public_key or signing.public_file(audit_watch.audit_key_file(settings)))
    found = audit_watch.read_anchors(file)
    fault = next(audit_watch.faults(connection, found, pem, time.time()), None)
    if fault:
        raise InputError(f"The audit log does not match {file}, {fault}", FORGED)
    return len(found)


def _line(value: object) -> None:
    sys.stdout.write(json_text(msgspec.json.encode(value).decode()) + "\n")
