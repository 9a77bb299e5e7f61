"""Reads figures in tests."""

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any

from sqlalchemy import Connection

from pipeline.assessment.options import Options
from pipeline.review.database import Database
from pipeline.review.quality import snapshot
from pipeline.review.quality.figure import Figure, Window
from tests.builders import NOON

WEEK = Window(NOON - 12 * 3_600, NOON - 12 * 3_600 + 7 * 86_400)
"""Seven whole days, the first of which is the day of NOON."""

Compute = Callable[[Connection, Window, Options], Iterator[Figure]]
Key = tuple[str, ...]


def figures(
    database: Database, compute: Compute, options: Options, window: Window = WEEK, indicator: str = ""
) -> dict[Key, Figure]:
    """Return the figures, or those of one indicator, by key, followed by the dimension and the value of the split."""
    with database.read() as connection:
        snapshot.take(connection, window.until)
        found = compute(connection, window, options)
        return by_key(figure for figure in found if indicator in {"", figure.indicator})


def steps(connection: Connection, work: Callable[[], object]) -> int:
    """Return the steps of SQLite's machine that some work takes, in thousands."""
    found = count()
    raw: Any = connection.connection.dbapi_connection
    raw.set_progress_handler(lambda: next(found) and None, 1_000)
    work()
    raw.set_progress_handler(None, 0)
    return next(found)


def by_key(found: Iterable[Figure]) -> dict[Key, Figure]:
    listed = list(found)
    named = {(one.key, *(text for item in sorted(one.split.items()) for text in item)): one for one in listed}
    assert len(named) == len(listed), "two figures have the same key and split"
    return named
