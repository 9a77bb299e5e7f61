"""Measures for how long a recogniser works, if several threads use it at the same time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from prometheus_client import Counter


class BusyTime:
    """Adds to `counter` the seconds in which at least one block of `working` runs. `clock` is monotonic, in seconds."""

    def __init__(self, counter: Counter, clock: Callable[[], float] = time.monotonic) -> None:
        self._counter = counter
        self._clock = clock
        self._lock = Lock()
        self._running = 0
        self._counted = 0.0

    @contextmanager
    def working(self) -> Iterator[None]:
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    def _change(self, by: int) -> None:
        with self._lock:
            now = self._clock()
            if self._running:
                self._counter.inc(now - self._counted)
            self._counted = now
            self._running += by
