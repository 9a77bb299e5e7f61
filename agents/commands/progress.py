"""A progress bar that never mixes with the results."""

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from agents.commands.app import stderr, stdout


def progress_bar() -> Progress:
    """Return a progress bar. It stays below the results on a terminal. If these go elsewhere, it is on stderr.

    It is hidden if stderr is no terminal either.
    """
    screen = stdout if stdout.is_terminal else stderr
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=screen,
        disable=not screen.is_terminal,
        redirect_stdout=False,
        redirect_stderr=False,
        transient=True,
    )
