"""Sums of the tallies over a window."""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Literal, NamedTuple

from sqlalchemy import Connection, func, select

from pipeline.review.delivery.tallies import HOUR, Measure
from pipeline.review.quality.figure import Window
from pipeline.review.tables.assessment import TALLIES

Dimension = Literal["hour", "measure", "bucket", "room_type", "language", "label", "policy", "model"]


class Total(NamedTuple):
    """A number of utterances, and their length in 16 kHz samples."""

    n: int = 0
    samples: int = 0


Totals = Mapping[tuple[str, ...], Total]
"""Totals by the values of some dimensions."""


def hours(window: Window) -> range:
    """Return the hours that begin in the window, in hours since 1970 UTC."""
    return range(math.ceil(window.since / HOUR), math.ceil(window.until / HOUR))


def totals(connection: Connection, window: Window, measures: Collection[Measure], *by: Dimension) -> Totals:
    """Return the totals of the hours that begin in the window, by these dimensions.

    An utterance that two of the `measures` count, or two rows of one measure, counts twice.
    """
    columns = [TALLIES.c[name] for name in by]
    count, samples = (func.coalesce(func.sum(TALLIES.c[name]), 0) for name in ("count", "samples"))
    within = hours(window)
    query = (
        select(*columns, count, samples)
        .where(TALLIES.c.hour >= within.start, TALLIES.c.hour < within.stop, TALLIES.c.measure.in_(measures))
        .group_by(*columns)
        .order_by(*columns)
    )
    return {tuple(row[:-2]): Total(int(row[-2]), int(row[-1])) for row in connection.execute(query)}


def summed(found: Totals, *values: str) -> Total:
    """Return the sum of the totals whose keys begin with `values`."""
    chosen = [total for key, total in found.items() if key[: len(values)] == values]
    return Total(sum(total.n for total in chosen), sum(total.samples for total in chosen))


def split(found: Totals, **places: int) -> Iterator[tuple[dict[str, str], Totals]]:
    """Yield all totals, and then the totals of each value of the named dimensions.

    `places` gives the place of each dimension in the keys, e.g. room_type=1.
    """
    yield {}, found
    for name, place in places.items():
        for value in sorted({key[place] for key in found}):
            yield {name: value}, {key: total for key, total in found.items() if key[place] == value}
