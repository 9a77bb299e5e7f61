"""Keeps the figures of windows for some minutes. On a large store they take seconds, so a thread computes them."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock

from pipeline.assessment import measure
from pipeline.assessment.figure import Figure, Window
from pipeline.assessment.options import Options
from pipeline.review.database import Database

KEEP_SECONDS = 300.0
WAIT_SECONDS = 2.0
"""Seconds that a page waits for figures. Then it says that they are being computed, and asks again."""
MOST = 16
"""The most windows that it keeps."""


class Measured:
    """The figures of the newest windows. `clock` returns UTC seconds."""

    def __init__(self, database: Database, options: Options, clock: Callable[[], float]) -> None:
        self._database = database
        self._options = options
        self._clock = clock
        self._pool = ThreadPoolExecutor(1, "measure")
        self._lock = Lock()
        self._kept: dict[Window, tuple[float, Future[list[Figure]]]] = {}

    def figures(self, window: Window, seconds: float | None = None) -> list[Figure] | None:
        """Return the figures of a window; None if they are not ready after `seconds` (WAIT_SECONDS)."""
        future = self._future(window)
        wait([future], WAIT_SECONDS if seconds is None else seconds)
        return future.result() if future.done() else None

    def close(self) -> None:
        """Wait for the computation in progress, and drop the others."""
        self._pool.shutdown(cancel_futures=True)

    def _future(self, window: Window) -> Future[list[Figure]]:
        with self._lock:
            at, future = self._kept.get(window, (0.0, None))
            if future is None or self._clock() - at >= KEEP_SECONDS or _failed(future):
                future = self._pool.submit(self._compute, window)
                self._kept.pop(window, None)
                self._kept[window] = (self._clock(), future)
                self._drop_oldest()
            return future

    def _drop_oldest(self) -> None:
        while len(self._kept) > MOST:
            _, dropped = self._kept.pop(next(iter(self._kept)))
            dropped.cancel()

    def _compute(self, window: Window) -> list[Figure]:
        with self._database.read() as connection:
            return measure.measure(connection, window, self._options)


def _failed(future: Future[list[Figure]]) -> bool:
    return future.done() and (future.cancelled() or future.exception() is not None)
