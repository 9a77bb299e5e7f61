"""Write lines to standard output from a thread of its own, so that a slow reader holds up nothing else."""

import logging
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Full, Queue
from types import TracebackType

log = logging.getLogger(__name__)

MAX_LINES = 1_000
"""The most lines that wait for the reader. Above it, new lines are dropped."""
LAST_SECONDS = 5.0
"""Seconds that the reader has for the last lines."""


class LineWriter:
    """`with LineWriter(failed) as writer: writer.write(line)`. The end of the block writes the waiting lines.

    If a line cannot be written, because the reader has ended or the disk is full, `failed` is called once. The end of
    the block then raises the error.
    """

    def __init__(self, failed: Callable[[], object]) -> None:
        self._failed = failed
        self._waiting: Queue[str | None] = Queue(MAX_LINES)
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._error: BaseException | None = None
        self._dropped = 0

    def __enter__(self) -> "LineWriter":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(Full):
            self._waiting.put(None, timeout=LAST_SECONDS)
        self._thread.join(LAST_SECONDS)
        if self._dropped:
            log.warning("%d lines were dropped because the reader of the output was too slow", self._dropped)
        if self._error and not error:
            raise self._error

    def write(self, line: str) -> None:
        """Write a line, soon. It never waits."""
        try:
            self._waiting.put_nowait(line)
        except Full:
            self._dropped += 1

    def _run(self) -> None:
        while (line := self._waiting.get()) is not None:
            if not self._error:
                self._print(line)

    def _print(self, line: str) -> None:
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except BaseException as error:  # SystemExit, too: the reader has ended
            self._error = error
            self._failed()
