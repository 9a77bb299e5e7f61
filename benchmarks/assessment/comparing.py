"""Compares what the product says with the truth."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.assessment.truth.figures import Fact, Key
from pipeline.review.quality.figure import Figure

EXACT = 1e-9
OF_INTERVALS = 1e-5
"""The truth solves equations where the product has closed forms, so the limits of intervals differ a little more."""


@dataclass(frozen=True)
class ComparedLine:
    """One value, as the product and as the truth have it. None: it has no such value."""

    when: str
    key: Key
    product: Any
    truth: Any

    @property
    def ok(self) -> bool:
        if isinstance(self.product, Fact) and isinstance(self.truth, Fact):
            intervals = self.product.interval, self.truth.interval
            facts = self.product._replace(interval=None), self.truth._replace(interval=None)
            return same(*facts) and same(*intervals, OF_INTERVALS)
        return same(self.product, self.truth)

    def __str__(self) -> str:
        about, key, split = self.key
        part = ",".join(f"{name}={value}" for name, value in split) or "-"
        shown = [_shown(self.product), _shown(self.truth), "ok" if self.ok else "DIFFERENT"]
        return f"{self.when:<24}{about:<9}{key:<20}{part:<24}{shown[0]:>26}  {shown[1]:>26}  {shown[2]}"


def same(one: Any, other: Any, tolerance: float = EXACT) -> bool:
    """Tell whether two values are equal, apart from the rounding of floats."""
    match one, other:
        case (float(), float() | int()) | (int(), float()):
            return math.isclose(one, other, rel_tol=tolerance, abs_tol=1e-6)
        case (tuple() | list(), tuple() | list()):
            return len(one) == len(other) and all(map(same, one, other, [tolerance] * len(one)))
        case Mapping(), Mapping():
            return one.keys() == other.keys() and all(same(one[key], other[key], tolerance) for key in one)
    return bool(one == other)


def compared(when: str, product: Mapping[Key, Any], truth: Mapping[Key, Any]) -> Iterator[ComparedLine]:
    """Yield a line for each value that one of the two has."""
    for key in sorted(product.keys() | truth.keys()):
        yield ComparedLine(when, key, product.get(key), truth.get(key))


def facts(figures: Sequence[Figure]) -> dict[Key, Fact]:
    """Return the product's figures like those of the truth."""
    return {key_of(figure): fact_of(figure) for figure in figures}


def key_of(figure: Figure) -> Key:
    """Return the key under which the truth has this figure."""
    return figure.indicator, figure.key, tuple(sorted(figure.split.items()))


def fact_of(figure: Figure) -> Fact:
    """Return a figure of the product as the truth would have it."""
    return Fact(**{name: getattr(figure, name) for name in Fact._fields})


def _shown(found: Any) -> str:
    if found is None:
        return "missing"
    if not isinstance(found, Fact):
        return str(found)
    value = "not measured" if found.value is None else f"{found.value:.9g}"
    interval = f" [{found.interval[0]:.6g}, {found.interval[1]:.6g}]" if found.interval else ""
    more = "".join(
        f" {name}={value}"
        for name, value in zip(Fact._fields[3:], found[3:], strict=True)
        if value is not None and value is not True
    )
    return f"{value} (n={found.n}){interval}{more}"
