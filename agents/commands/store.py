"""`voxwarden store`: prepare the review store."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from agents.commands.app import add_group, settings_of
from agents.commands.terminal import stdout

if TYPE_CHECKING:
    from pipeline.review.database import Database

store = add_group("store", "Prepare the review store.")


@store.callback()
def _group() -> None:
    """Keep `migrate` a command of its own: without a callback, Typer would make it the group."""


@store.command()
def migrate(ctx: typer.Context) -> None:
    """Create the tables of the review store, or update them for this version.

    Use it before you start a new version. If the update fails, the old version still runs. Without this command, the
    first `deliver` or console of the new version updates the tables when it starts. You can repeat it safely. No
    command undoes it: back up the database first.

    Example:
      VOXWARDEN_STORE__URL=postgresql://voxwarden@db/voxwarden voxwarden store migrate
    """
    from pipeline.review.database import Database

    database = Database(settings_of(ctx).database_url)
    database.close()
    stdout.print(f"{database.name} has the tables of this version.", highlight=False, markup=False, soft_wrap=True)


@contextmanager
def database_of(ctx: typer.Context) -> "Iterator[Database]":
    """Open the store of the settings, which must exist, and close it at the end."""
    from pipeline.review.database import Database

    database = Database(settings_of(ctx).database_url, must_exist=True)
    try:
        yield database
    finally:
        database.close()


def actor() -> str:
    """Return the operating system's user, for the audit log."""
    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:  # a container may run with a number that has no name
        return f"cli:{os.getuid()}"
