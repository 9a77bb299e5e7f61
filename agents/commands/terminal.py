"""Show text from other people on a terminal without side effects.

A name or a transcript may hold control characters, which a terminal executes, and characters that change the direction
of text. On the terminal, each becomes a replacement character. In JSON, each is escaped, so that nothing is lost.
"""

import io
import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from pipeline.base.errors import VoxwardenError

# Unicode categories of control and format characters, lone surrogates, and line separators.
HARMFUL = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# Format characters that scripts and emoji need. They join letters and do not change the direction.
JOINERS = "\u200c\u200d"


def is_harmful(character: str) -> bool:
    return unicodedata.category(character) in HARMFUL and character not in JOINERS


def harmless(text: str, but: str = "\n\t") -> str:
    """Return `text` with a replacement character for each harmful one. The characters in `but` stay."""
    if text.isprintable():  # the usual case, and quick to tell
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if c not in but and is_harmful(c) else c for c in text)


def plain(text: str) -> Text:
    """Return `text` for one line or table cell: without markup and without line breaks."""
    return Text(harmless(text, but=""))


def json_text(text: str) -> str:
    """Escape the harmful characters of a JSON text. Its meaning and its line breaks stay."""
    if text.isprintable():
        return text
    return "".join(_escape(c) if c != "\n" and is_harmful(c) else c for c in text)


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints only harmless text, with its own styles."""
    made = Console(stderr=stderr)
    made.push_render_hook(_Cleaning())
    return made


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")  # JSON escapes are UTF-16, and may be lone surrogates
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


class _Cleaning(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Clean(each) for each in renderables]


class _Clean:
    """Renders like `inner`, with harmless text."""

    def __init__(self, inner: RenderableType) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self._inner, options):
            yield segment if segment.control else Segment(harmless(segment.text), segment.style)


class Whole:
    """A table that fits the screen. In a pipe or a file it is as wide as its content, because nobody sees an edge."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        if not console.is_terminal:
            options = options.update(width=self._table.__rich_measure__(console, options.update(width=10_000)).maximum)
        yield from console.render(self._table, options)


stdout = console()
"""For results only."""
stderr = console(stderr=True)
"""For progress, notes and errors."""


def progress_bar() -> Progress:
    """Return a progress bar below the results on a terminal. If these go elsewhere, it is on stderr, or hidden."""
    screen = stdout if stdout.is_terminal else stderr
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=screen,
        disable=not screen.is_terminal,
        redirect_stdout=False,  # Rich would print the JSON lines itself, and wrap them
        redirect_stderr=False,
        transient=True,
    )


PIPE_CLOSED = 141  # 128 + SIGPIPE: the exit code of a program whose reader has ended, as in `| head -1`


class OutputError(VoxwardenError):
    """The results cannot be written."""


class _Stream:
    """A text stream that ends the command when a write fails."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, text: str) -> int:
        with self._ended():
            self._inner.write(text)
        return len(text)

    def flush(self) -> None:
        with self._ended():
            self._inner.flush()

    @contextmanager
    def _ended(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._discard()
            sys.exit(PIPE_CLOSED)
        except OSError as error:
            self._discard()
            raise OutputError(
                f"The results cannot be written: {error.strerror}", "Free disk space, or write them to another place."
            ) from error

    def _discard(self) -> None:
        """Discard the buffer. Otherwise Python fails at its end while it writes the buffer."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._inner.fileno())
            os.close(nowhere)


class _Quiet(_Stream):
    """A stream for messages. A message that cannot be written is dropped, and the work goes on."""

    @contextmanager
    def _ended(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self._discard()


@contextmanager
def standard_streams() -> Iterator[None]:
    """Guard stdout and stderr while the block runs."""
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal's character set may lack Chinese
            stream.reconfigure(errors="backslashreplace")
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Stream(sys.stdout), _Quiet(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _open_closed() -> None:
    """Open closed streams again. Reads of a closed input, and results to a closed output, then fail.

    Messages to a closed stderr are dropped.
    """
    # Otherwise the next file that is opened, for example the database, would get the number of stdout.
    for number, mode in enumerate("rww"):
        try:
            os.fstat(number)
        except OSError:
            # Gets the lowest free number, which is this one. The wrong direction: each use is an error.
            os.open(os.devnull, os.O_RDONLY if number else os.O_WRONLY)
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - stays open until the process ends
            setattr(sys, ("stdin", "stdout", "stderr")[number], stream)
