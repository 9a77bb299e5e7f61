"""A progress bar that never gets into the results."""

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from pipeline.cli.app import stderr, stdout


def progress_bar() -> Progress:
    """On the screen that results go to, so that the bar stays below them; else on stderr; hidden where none is one."""
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
