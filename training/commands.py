"""Shared parts of the commands: a console for notes, errors as one line, and an orderly stop."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from pipeline.base.errors import VoxwardenError
from pipeline.base.stopping import like_ctrl_c

notes = Console(stderr=True)


@contextmanager
def errors_in_a_line() -> Iterator[None]:
    """Print a VoxwardenError, which is the user's mistake, and exit with 2. SIGTERM and Ctrl-C exit with 130."""
    try:
        with like_ctrl_c():
            yield
    except KeyboardInterrupt as error:
        notes.print("stopped")
        raise SystemExit(130) from error
    except VoxwardenError as error:
        notes.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        raise SystemExit(2) from error
