"""Hourly tallies and room ledger of a window as CSV, and back into a store, so that figures can be recomputed."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from pipeline.assessment.figure import Window
from pipeline.errors import InputError
from pipeline.review.delivery.tallies import HOUR
from pipeline.review.tables.assessment import TALLIES
from pipeline.review.tables.duties import ROOM_HOURS

PAGE = 10_000
"""Rows that are read or written at a time."""
LEFT_OUT = {"received_at"}
"""Columns that no figure uses."""


def tallies(connection: Connection, window: Window) -> bytes:
    """Return the tallies of the window as CSV."""
    return _csv(connection, TALLIES, window)


def ledger(connection: Connection, window: Window) -> bytes:
    """Return the app's ledger of room hours as CSV."""
    return _csv(connection, ROOM_HOURS, window)


def load(connection: Connection, tallied: bytes, ledgered: bytes) -> None:
    """Write the rows of both files into empty tables. Raises InputError for other content."""
    for table, content in ((TALLIES, tallied), (ROOM_HOURS, ledgered)):
        try:
            rows = [_row(table, row) for row in csv.DictReader(io.StringIO(content.decode()))]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"The table {table.name} cannot be read: {error}", "Get the bundle again.") from error
        for at in range(0, len(rows), PAGE):
            connection.execute(insert(table), rows[at : at + PAGE])


def _csv(connection: Connection, table: Table, window: Window) -> bytes:
    columns = _columns(table)
    hours = (math.ceil(window.since / HOUR), math.ceil(window.until / HOUR))
    kept = (table.c.hour >= hours[0], table.c.hour < hours[1])
    query = select(*(table.c[name] for name in columns)).where(*kept).order_by(table.c.hour)
    rows = connection.execution_options(yield_per=PAGE).execute(query)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for _, hour in groupby(rows, key=lambda row: row.hour):
        writer.writerows(sorted(tuple(row) for row in hour))  # here, because databases sort texts differently
    return text.getvalue().encode()


def _columns(table: Table) -> Sequence[str]:
    return [column.name for column in table.columns if column.name not in LEFT_OUT]


def _row(table: Table, row: dict[str, str]) -> dict[str, Any]:
    kinds: Iterator[tuple[str, Any]] = ((column.name, column.type.python_type) for column in table.columns)
    return {name: 0.0 if name in LEFT_OUT else kind(row[name]) for name, kind in kinds}
