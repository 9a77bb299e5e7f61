"""A database whose transactions can be made to fail midway, as if the process had died."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, event

from pipeline.review.database import Database


class MidwayError(Exception):
    """The simulated end of a process in the middle of a transaction."""


class FailingDatabase(Database):
    """A database of which one transaction at a time fails, if you ask."""

    _left: int | None = None

    @contextmanager
    def failing(self, statements: int) -> Iterator[None]:
        """Let each transaction fail before its statement number `statements` + 1."""
        self._left = statements
        try:
            yield
        finally:
            self._left = None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with super().write() as connection:
            if self._left is not None:
                event.listen(connection, "before_cursor_execute", _failure(self._left))
            yield connection


def _failure(statements: int) -> Callable[..., None]:
    left = iter(range(statements))

    def count(*_: object) -> None:
        if next(left, None) is None:
            raise MidwayError

    return count
