"""Forces two transactions to overlap on PostgreSQL: one stops before a chosen statement, and the other runs."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from sqlalchemy import Engine, event, text

from pipeline.base.errors import CaseError
from pipeline.review.database import Database

Work = Callable[[Database], object]

WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
PATIENCE = 120.0
"""Seconds. Only a test that fails waits so long."""


def overlap(database: Database, first: Work, second: Work, step: int) -> None:
    """Run `first` until its locking statement number `step`, then `second` until it ends or waits, then both.

    A deadlock raises a DependencyError. A CaseError is none: it says that the other was faster.
    """
    paused, go = threading.Event(), threading.Event()

    def pause(number: int) -> None:
        if number == step:
            paused.set()
            assert go.wait(PATIENCE)

    with _watching(), ThreadPoolExecutor(2) as threads:
        one = threads.submit(_act, first, database, pause)
        one.add_done_callback(lambda _: paused.set())
        assert paused.wait(PATIENCE)
        other = threads.submit(_act, second, database)
        try:
            _wait_until(lambda: other.done() or _is_waiting(database))
        finally:
            go.set()
        one.result(PATIENCE)
        other.result(PATIENCE)


def locking_statements(database: Database, work: Work) -> int:
    """Run `work` alone, and return the number of its statements that take locks."""
    numbers: list[int] = []
    with _watching():
        _act(work, database, numbers.append)
    return len(numbers)


class Watched(threading.local):
    """What a thread calls, with 1, 2, 3, ..., before each of its statements that takes a lock."""

    number = 0
    before: Callable[[int], None] | None = None


_watched = Watched()


def _act(work: Work, database: Database, before: Callable[[int], None] | None = None) -> None:
    _watched.number, _watched.before = 0, before
    with suppress(CaseError):
        work(database)


@contextmanager
def _watching() -> Iterator[None]:
    event.listen(Engine, "before_cursor_execute", _before)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", _before)
        _watched.before = None


def _before(connection: object, cursor: object, statement: str, *rest: object) -> None:
    del connection, cursor, rest
    if _watched.before and _locks(statement):
        _watched.number += 1
        _watched.before(_watched.number)


def _locks(statement: str) -> bool:
    return not statement.startswith("SELECT") or "FOR UPDATE" in statement or "advisory" in statement


def _is_waiting(database: Database) -> bool:
    with database.read() as connection:
        return bool(connection.scalar(WAITING))


def _wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)
