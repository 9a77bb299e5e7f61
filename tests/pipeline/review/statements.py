"""Compiled SQL statements that all databases of the tests share.

SQLAlchemy compiles a statement once for each engine, and a product has one engine. Each test has an engine of its own,
and would compile all statements again. How a statement is compiled depends on its structure and on the kind of the
database alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event


class Statements(dict[Any, Any]):
    """A compiled cache of SQLAlchemy, in which the key has the kind of a dialect instead of the dialect."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_of_kind(key), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__(_of_kind(key), compiled)


@contextmanager
def shared() -> Iterator[Statements]:
    """Let all engines share the statements that they compile."""
    statements = Statements()

    def share(connection: Connection) -> None:
        connection.execution_options(compiled_cache=statements)

    event.listen(Engine, "engine_connect", share)
    try:
        yield statements
    finally:
        event.remove(Engine, "engine_connect", share)


def _of_kind(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect, *rest = key
    reader = getattr(dialect, "_json_deserializer", None)
    return (type(dialect), dialect.server_version_info, reader, *rest)
