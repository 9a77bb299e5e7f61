"""Guard standard output and standard error against closed streams, a reader that has ended, and a full disk."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pipeline.base.errors import VoxwardenError

PIPE_CLOSED = 141
"""128 + SIGPIPE: the exit code of a program whose reader has ended, as in `| head -1`."""


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
    """Guard stdout and stderr while the block runs.

    A closed stream is opened again. Otherwise the next file would get its number. Characters that the terminal's
    character set lacks are written as escapes.
    """
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Stream(sys.stdout), _Quiet(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _open_closed() -> None:
    """Open closed streams again. Results to a closed output then fail at the first write; messages are dropped."""
    for number, mode in enumerate("rww"):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # gets the lowest free number, which is this one
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - stays open until the process ends
            setattr(sys, ("stdin", "stdout", "stderr")[number], stream)
