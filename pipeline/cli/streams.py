"""Standard output and error of a command, also where nobody reads them, the disk is full, or they are closed."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pipeline.errors import VoxwardenError

PIPE_CLOSED = 141
"""128 and SIGPIPE: the exit code of a program whose reader has gone, as in `| head -1`."""


class OutputError(VoxwardenError):
    """Results cannot be written."""


class _Stream:
    """A text stream that ends the command once it cannot be written to."""

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
                f"The results cannot be written: {error.strerror}", "Make room, or write them elsewhere."
            ) from error

    def _discard(self) -> None:
        """What is still buffered goes nowhere, so that Python does not fail at it when it ends."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._inner.fileno())
            os.close(nowhere)


class _Quiet(_Stream):
    """Messages that cannot be written are dropped: they must not end the work."""

    @contextmanager
    def _ended(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self._discard()


@contextmanager
def standard_streams() -> Iterator[None]:
    """Guard both. A closed one is opened anew, else the next file takes its number.

    What the terminal's character set lacks is written as an escape.
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
    """Results to a closed output fail at the first write, as on a full disk; messages to it are dropped."""
    for number, mode in enumerate("rww"):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # takes the lowest free number, which is this one
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - lives as long as the process
            setattr(sys, ("stdin", "stdout", "stderr")[number], stream)
