"""Shared parts of the commands: a console for notes, and errors as one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from pipeline.errors import VoxwardenError

notes = Console(stderr=True)


@contextmanager
def errors_in_a_line() -> Iterator[None]:
    """Print a VoxwardenError, which is the user's mistake, and exit with 2."""
    try:
        yield
    except VoxwardenError as error:
        notes.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        raise SystemExit(2) from error
