"""Splits of rows into parts of the speech."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row


def parts(rows: Sequence[Row[Any]], *dimensions: str) -> Iterator[tuple[dict[str, str], Sequence[Row[Any]]]]:
    """Yield all rows, and then the rows of each value of each dimension, in alphabetical order.

    A dimension is the name of a column. Rows with an empty value are in no part.
    """
    yield {}, rows
    for name in dimensions:
        for value in sorted({getattr(row, name) for row in rows} - {""}):
            yield {name: value}, [row for row in rows if getattr(row, name) == value]
