"""Checks whether Kafka, the database and the store of the clips answer, and a start that waits for them.

A worker exposes the result as the metric `voxwarden_dependency_up`. So on-call sees the cause of a failure, not only
its consequences.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from pipeline.base.errors import DependencyError, VoxwardenError
from pipeline.base.metrics import Metrics

T = TypeVar("T")

# Seconds between two checks. A check should not take longer than this.
CHECK_SECONDS = 5.0
START_SECONDS = 5.0  # seconds between two attempts to start

DependencyCheck = Callable[[], object]
"""A function that raises an error if the dependency does not answer."""

log = logging.getLogger(__name__)


class Dependencies:
    """Runs `checks`, by name of the dependency. Each check has its own thread: a check that hangs delays no other."""

    def __init__(self, checks: Mapping[str, DependencyCheck], metrics: Metrics) -> None:
        self._checks = checks
        self._up = metrics.dependency_up
        self._down: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._over = threading.Event()

    @property
    def down(self) -> frozenset[str]:
        """The names of the dependencies whose last check failed."""
        return self._down

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Run the checks in the background until the block ends."""
        for name in self._checks:
            threading.Thread(target=self._watch, args=(name,), name=f"asks {name}", daemon=True).start()
        try:
            yield
        finally:
            self._over.set()

    def ask(self, name: str) -> None:
        """Run the check `name` once, and record the result."""
        try:
            self._checks[name]()
        except Exception as error:
            if name not in self._down:  # an outage is in the log once
                log.warning("%s is down: %s", name, error, exc_info=not isinstance(error, VoxwardenError))
            self._record(name, up=False)
        else:
            if name in self._down:
                log.warning("%s is up again", name)
            self._record(name, up=True)

    def _record(self, name: str, *, up: bool) -> None:
        self._up.labels(name).set(up)
        with self._lock:
            self._down = self._down - {name} if up else self._down | {name}

    def _watch(self, name: str) -> None:
        while not self._over.is_set():
            self.ask(name)
            self._over.wait(CHECK_SECONDS)


def patiently(start: Callable[[], T], sleep: Callable[[float], object] = time.sleep) -> T:
    """Call `start` until it raises no DependencyError. `sleep` takes seconds. Other errors are raised."""
    # If the process ended instead, its supervisor would restart it again and again, and wait longer each time.
    logged = ""
    while True:
        try:
            return start()
        except DependencyError as error:
            logged = _log_new(error, logged)
            sleep(START_SECONDS)


async def answered(check: DependencyCheck, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
    """Wait in an event loop until `check` raises no DependencyError. Can be cancelled. Other errors are raised."""
    logged = ""
    while True:
        try:
            await asyncio.to_thread(check)
        except DependencyError as error:
            logged = _log_new(error, logged)
            await sleep(START_SECONDS)
        else:
            return


def _log_new(error: DependencyError, logged: str) -> str:
    """Log the error if its text differs from the last one: an outage may take hours."""
    if str(error) != logged:
        log.warning("not started yet, retrying every %g s: %s", START_SECONDS, error)
    return str(error)
