"""The SQL behind the numbers of a report, as the database ran it, with all its values.

The code that reads a number says what it is for, with `purpose` or with `execution_options(purpose="I-06")`. Names of
several purposes have a space between them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.exc import CompileError

PURPOSE = "purpose"
SHARED = "shared"
"""The purpose of statements that prepare data for several numbers."""

Queries = Mapping[str, tuple[str, ...]]
"""SQL statements by purpose."""


class QueryLog:
    """Notes the statements of a connection by purpose. Of equal statements, it keeps the last one's values."""

    def __init__(self, connection: Connection) -> None:
        self._dialect = connection.dialect
        self._found: dict[str, dict[str, Any]] = {}

    def note(self, _connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        """Note one statement. SQLAlchemy calls it."""
        if context is not None and context.invoked_statement is not None:
            name = context.execution_options.get(PURPOSE, "")
            self._found.setdefault(name, {})[statement] = context.invoked_statement

    def queries(self) -> Queries:
        """Return the SQL by purpose."""
        return {
            name: tuple(map(self._sql, kept.values()))
            for purposes, kept in sorted(self._found.items())
            for name in purposes.split(" ")
        }

    def _sql(self, statement: Any) -> str:
        try:
            made = statement.compile(dialect=self._dialect, compile_kwargs={"literal_binds": True})
        except (CompileError, NotImplementedError):  # a value that SQL text cannot express
            made = statement.compile(dialect=self._dialect)
        return "\n".join(line.strip() for line in str(made).splitlines())


@contextmanager
def logged(connection: Connection) -> Iterator[QueryLog]:
    """Note all statements of `connection` inside the block."""
    log = QueryLog(connection)
    event.listen(connection, "before_cursor_execute", log.note)
    try:
        yield log
    finally:
        event.remove(connection, "before_cursor_execute", log.note)


@contextmanager
def purpose(connection: Connection, name: str) -> Iterator[None]:
    """Say what the statements inside the block are for."""
    connection.execution_options(**{PURPOSE: name})
    try:
        yield
    finally:
        connection.execution_options(**{PURPOSE: ""})
