"""Opens the review store for a command, and names the person who runs it."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from agents.commands.app import settings_of

if TYPE_CHECKING:
    from pipeline.review.database import Database


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
    except KeyError:
        return f"cli:{os.getuid()}"
