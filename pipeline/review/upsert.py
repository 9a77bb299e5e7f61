"""INSERT with a rule for conflicts. Both databases have it, each in its own dialect."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(connection: Connection, table: Table) -> Any:
    """Return an INSERT that has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def insert_new(connection: Connection, table: Table) -> Any:
    """Return an INSERT that skips rows whose key is already there."""
    return upsert(connection, table).on_conflict_do_nothing()


def put_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Store one row. Return False, and change nothing, if its key is already there."""
    statement = insert_new(connection, table).values(values).returning(*table.primary_key)
    return connection.execute(statement).first() is not None
