"""What the commands about duties share: the author, and lines of text."""

from datetime import UTC, date, datetime
from typing import Annotated

import typer
from rich.markup import escape

from pipeline.cli.app import stderr, stdout
from pipeline.cli.store_access import actor
from pipeline.errors import InputError

By = Annotated[
    str | None, typer.Option("--by", help="Your name, for the record. Default: the user of the operating system.")
]


def author(by: str | None) -> str:
    """Return the name for the record."""
    return by.strip() if by and by.strip() else actor()


def say(text: str) -> None:
    """Print a line as it is."""
    stdout.print(escape(text), soft_wrap=True, highlight=False)


def warn(text: str) -> None:
    """Print a warning on stderr."""
    stderr.print(f"[yellow]warning:[/] {escape(text)}", soft_wrap=True, highlight=False)


def when(at: float | None) -> str:
    """Return UTC seconds as a time to the minute; `-` for none."""
    return "-" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def day(text: str | None, option: str) -> date | None:
    """Return an ISO date. Raises InputError, which names the option."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise InputError(f"{option} {text} is not a date", "Write it as 2026-01-31.") from error
