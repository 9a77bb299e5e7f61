"""Kafka and the database: whether they answer, asked again and again, and a start that waits until they do.

A worker shows it as `voxwarden_dependency_up`, so on-call is told what is broken, not what follows from it.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from pipeline.errors import DependencyError, VoxwardenError
from pipeline.metrics import Metrics

T = TypeVar("T")

CHECK_SECONDS = 5.0
"""Between two checks, and the longest that one should take."""
START_SECONDS = 5.0
"""Between two tries to start."""

DependencyCheck = Callable[[], None]
"""Raises an error if the dependency does not answer."""

log = logging.getLogger(__name__)


class Dependencies:
    """`checks` by the name of what they ask. Each has a thread of its own: one that hangs delays no other."""

    def __init__(self, checks: Mapping[str, DependencyCheck], metrics: Metrics) -> None:
        self._checks = checks
        self._up = metrics.dependency_up
        self._down: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._over = threading.Event()

    @property
    def down(self) -> frozenset[str]:
        """Those that did not answer when last asked."""
        return self._down

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Ask while the block runs."""
        for name in self._checks:
            threading.Thread(target=self._watch, args=(name,), name=f"asks {name}", daemon=True).start()
        try:
            yield
        finally:
            self._over.set()

    def ask(self, name: str) -> None:
        """Once."""
        try:
            self._checks[name]()
        except Exception as error:
            if name not in self._down:
                log.warning("%s is down: %s", name, error, exc_info=not isinstance(error, VoxwardenError))
            self._tell(name, up=False)
        else:
            self._tell(name, up=True)

    def _tell(self, name: str, *, up: bool) -> None:
        self._up.labels(name).set(up)
        with self._lock:
            self._down = self._down - {name} if up else self._down | {name}

    def _watch(self, name: str) -> None:
        while not self._over.is_set():
            self.ask(name)
            self._over.wait(CHECK_SECONDS)


def patiently(start: Callable[[], T], sleep: Callable[[float], object] = time.sleep) -> T:
    """Try until every dependency answers. A process that ended instead would only be started again, and again."""
    said = ""
    while True:
        try:
            return start()
        except DependencyError as error:
            said = _say(error, said)
            sleep(START_SECONDS)


async def answered(check: DependencyCheck, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
    """The same in an event loop, where it can be cancelled: return once `check` raises nothing."""
    said = ""
    while True:
        try:
            await asyncio.to_thread(check)
        except DependencyError as error:
            said = _say(error, said)
            await sleep(START_SECONDS)
        else:
            return


def _say(error: DependencyError, said: str) -> str:
    """Once: an outage may take hours."""
    if str(error) != said:
        log.warning("not started yet, tried again every %g s: %s", START_SECONDS, error)
    return str(error)
