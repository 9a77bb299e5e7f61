"""Turns for slow work that needs much memory: few calls run at once, few wait, and the rest are refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from pipeline.base.errors import TooManyTries

BUSY_SECONDS = 2.0
"""Seconds after which a refused caller may try again."""


class HashTurns:
    """Lets `at_once` callers work and `waiting` callers wait. A caller that waits holds a thread, so few may wait."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._places = BoundedSemaphore(at_once + waiting)
        self._working = BoundedSemaphore(at_once)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Run the block when it is its turn. Raises TooManyTries at once if too many callers wait."""
        if not self._places.acquire(blocking=False):
            raise TooManyTries(BUSY_SECONDS)
        try:
            with self._working:
                yield
        finally:
            self._places.release()
