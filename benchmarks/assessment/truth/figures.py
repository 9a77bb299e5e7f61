"""A true figure, and the parts of the speech that figures are about."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple, TypeVar

from benchmarks.assessment.truth import intervals
from benchmarks.assessment.truth.intervals import Interval

Split = tuple[tuple[str, str], ...]
Key = tuple[str, str, Split]
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class Fact(NamedTuple):
    """A figure, as the truth or the product has it. Without a value it is not measured."""

    value: float | None
    n: int
    interval: Interval | None = None
    whole: bool = True
    previous: float | None = None
    threshold: float | None = None
    met: bool | None = None


TrueFigure = tuple[Key, Fact]
TrueFigures = Iterator[TrueFigure]


def true(
    indicator: str,
    key: str,
    value: float | Fraction | None,
    n: int,
    part: Split = (),
    interval: Interval | None = None,
    whole: bool = True,
) -> TrueFigure:
    """Return a figure under its key."""
    return (indicator, key, part), Fact(None if value is None else float(value), n, interval, whole)


def share(indicator: str, key: str, hits: int, n: int, part: Split = ()) -> TrueFigure:
    """Return a share of people's verdicts, which has Wilson's interval."""
    return true(indicator, key, over(hits, n), n, part, intervals.wilson(Fraction(hits, n), n) if n else None)


def over(top: Fraction | int, bottom: Fraction | int) -> Fraction | None:
    """Return a quotient. A share of nothing is not measured."""
    return Fraction(top) / bottom if bottom else None


def by(items: Iterable[T], name: Callable[[T], K]) -> dict[K, list[T]]:
    """Group items."""
    groups: dict[K, list[T]] = defaultdict(list)
    for item in items:
        groups[name(item)].append(item)
    return groups


def parts(items: Sequence[T], **names: Callable[[T], str]) -> Iterator[tuple[Split, Sequence[T]]]:
    """Yield all items, and the items of each value of each dimension. An empty value is no part."""
    yield (), items
    for name, value_of in names.items():
        for value, found in by(items, value_of).items():
            if value:
                yield ((name, str(value)),), found


def attribute(name: str) -> Callable[[object], str]:
    """Return a function that returns an attribute."""
    return lambda item: str(getattr(item, name))
