"""How long cases waited, in columns, because a quarter may have a million of them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from sqlalchemy import Connection, Select

from pipeline.assessment.survival import Spell, Survival
from pipeline.judge.labels import SEVERITIES

ROWS = 20_000
"""Rows that are read at once."""

Part = dict[str, str]
"""A part of the cases: a dimension and its value, or nothing for all cases."""


class CaseWaits(Struct, frozen=True, eq=False):
    """Cases, one in each place of the arrays. `over` tells whether a wait had ended."""

    severity: NDArray[np.int64]
    seconds: NDArray[np.int64]
    over: NDArray[np.bool_]

    def where(self, chosen: NDArray[np.bool_]) -> "CaseWaits":
        return CaseWaits(self.severity[chosen], self.seconds[chosen], self.over[chosen])

    def survival(self) -> Survival:
        return Survival([*_spells(self.seconds[self.over], ended=1), *_spells(self.seconds[~self.over], ended=0)])

    def in_time(self, targets: Sequence[float]) -> float | None:
        """Return the share that ended within the target of its severity: the mean, weighted by the number of cases.

        None: there are no cases, or none was observed for as long as its target.
        """
        waits = [(self.where(self.severity == one).survival(), targets[one]) for one in np.unique(self.severity)]
        shares = [(some.n, share) for some, target in waits if (share := some.over_after(target)) is not None]
        return sum(n * share for n, share in shares) / sum(n for n, _ in shares) if shares else None


def parts(connection: Connection, query: Select[Any], *dimensions: str) -> Iterator[tuple[Part, CaseWaits]]:
    """Yield the waits of all cases, and of the cases of each value of each dimension.

    `query` has the columns `severity`, `seconds` and `over`, and one for each of the `dimensions`.
    """
    columns, values = _columns(connection, query, dimensions)
    waits = CaseWaits(columns["severity"], columns["seconds"], columns["over"].astype(bool))
    yield {}, waits
    for code, severity in enumerate(SEVERITIES):
        if (chosen := waits.severity == code).any():
            yield {"severity": severity}, waits.where(chosen)
    for name in dimensions:
        for value, code in sorted(values[name].items()):
            yield {name: value}, waits.where(columns[name] == code)


def _columns(
    connection: Connection, query: Select[Any], dimensions: Sequence[str]
) -> tuple[dict[str, NDArray[np.int64]], dict[str, dict[str, int]]]:
    """Return the columns of a query as numbers, and the numbers that stand for the values of the dimensions."""
    values: dict[str, dict[str, int]] = {name: defaultdict(count().__next__) for name in dimensions}
    result = connection.execute(query, execution_options={"yield_per": ROWS})
    found: dict[str, list[NDArray[np.int64]]] = {name: [np.empty(0, np.int64)] for name in result.keys()}  # noqa: SIM118 (no mapping)
    for rows in result.partitions():
        for name, column in zip(found, zip(*rows, strict=True), strict=True):
            numbers = map(values[name].__getitem__, column) if name in values else column
            found[name].append(np.fromiter(numbers, np.int64, len(column)))
    return {name: np.concatenate(pieces) for name, pieces in found.items()}, values


def _spells(seconds: NDArray[np.int64], ended: int) -> Iterator[Spell]:
    for long, n in zip(*(array.tolist() for array in np.unique(seconds, return_counts=True)), strict=True):
        yield Spell(long, n * ended, n * (1 - ended))
