"""Hourly tallies and room ledger of a window as CSV, and back into a store, so that figures can be recomputed."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, get_args

from sqlalchemy import ColumnElement, Connection, Table, insert, select

from pipeline.base.errors import InputError
from pipeline.review.delivery.tallies import HOUR, Measure
from pipeline.review.quality.figure import Window
from pipeline.review.tables.assessment_tables import ROOM_HOURS, TALLIES

PAGE = 10_000
"""Rows that are read or written at a time."""
MEASURES: tuple[Measure, ...] = get_args(Measure)
LEFT_OUT = {"received_at"}
"""Columns that no figure uses."""


def tallies(connection: Connection, window: Window) -> bytes:
    """Return the tallies of the window as CSV."""
    return b"".join(_pages(connection, TALLIES, window))


def digest(connection: Connection, window: Window) -> str:
    """Return the SHA-256 of the tallies of the window as CSV, without holding them all in memory."""
    found = sha256()
    for page in _pages(connection, TALLIES, window):
        found.update(page)
    return found.hexdigest()


def ledger(connection: Connection, window: Window) -> bytes:
    """Return the app's ledger of room hours as CSV."""
    return b"".join(_pages(connection, ROOM_HOURS, window))


def load(connection: Connection, tallied: bytes, ledgered: bytes) -> None:
    """Write the rows of both files into empty tables. Raises InputError for other content."""
    for table, content in ((TALLIES, tallied), (ROOM_HOURS, ledgered)):
        try:
            rows = [_row(table, row) for row in csv.DictReader(io.StringIO(content.decode()))]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"The table {table.name} cannot be read: {error}", "Get the bundle again.") from error
        for at in range(0, len(rows), PAGE):
            connection.execute(insert(table), rows[at : at + PAGE])


def _pages(connection: Connection, table: Table, window: Window) -> Iterator[bytes]:
    """Yield the lines of a table, some hours at a time. The tallies come by measure, as their index has them."""
    columns = _columns(table)
    yield _lines([columns])
    hours = (math.ceil(window.since / HOUR), math.ceil(window.until / HOUR))
    kept = (table.c.hour >= hours[0], table.c.hour < hours[1])
    query = select(*(table.c[name] for name in columns)).where(*kept).order_by(table.c.hour, *_key(connection, table))
    for part in [query.where(table.c.measure == measure) for measure in MEASURES] if table is TALLIES else [query]:
        for rows in connection.execute(part, execution_options={"yield_per": PAGE}).partitions():
            yield _lines(rows)


def _key(connection: Connection, table: Table) -> list[ColumnElement[Any]]:
    """Return the key after the hour, sorted by code points: PostgreSQL's own order depends on its locale."""
    names = [column for column in table.primary_key if column.name not in {"hour", "measure"}]
    return [column.collate("C") for column in names] if connection.dialect.name == "postgresql" else list(names)


def _lines(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _columns(table: Table) -> Sequence[str]:
    return [column.name for column in table.columns if column.name not in LEFT_OUT]


def _row(table: Table, row: dict[str, str]) -> dict[str, Any]:
    kinds: Iterator[tuple[str, Any]] = ((column.name, column.type.python_type) for column in table.columns)
    return {name: 0.0 if name in LEFT_OUT else kind(row[name]) for name, kind in kinds}
