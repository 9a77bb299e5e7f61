"""95% intervals, each computed in another way than the product computes it.

The product has closed forms and series. Here, limits are found by bisection of the equations that define them, the
variance of kappa comes from its derivatives, and probabilities are integrals.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import cache
from itertools import product
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]
Number = float | Fraction

Z = NormalDist().inv_cdf(0.975)
STEPS = 4_001
"""Points of an integral by Simpson's rule."""


class TrueEstimate(NamedTuple):
    """An estimated number with its interval."""

    value: float
    low: float
    high: float

    def times(self, factor: Number) -> "TrueEstimate":
        return TrueEstimate(*(each * float(factor) for each in self))


class Weighted(NamedTuple):
    """An item of a sample: its weight (1 / probability), its size, and whether it is a hit."""

    weight: Fraction
    size: int
    hit: bool


def wilson(share: Number, n: Number) -> Interval:
    """Return the two shares from which `share` is just Z standard errors away."""
    seen = float(share)

    def off(p: float) -> float:
        return (seen - p) ** 2 * float(n) - Z**2 * p * (1 - p)

    low = 0.0 if seen == 0 else bisect(lambda p: -off(p), 0.0, seen)
    return low, 1.0 if seen == 1 else bisect(off, seen, 1.0)


def kappa(pairs: Sequence[tuple[str, str]]) -> tuple[Fraction, Interval] | None:
    """Return Cohen's kappa with its interval. None: chance alone would always agree."""
    kinds = sorted({kind for pair in pairs for kind in pair})
    cells = {cell: Fraction(sum(pair == cell for pair in pairs), len(pairs)) for cell in product(kinds, repeat=2)}
    first = {kind: sum(cells[kind, other] for other in kinds) for kind in kinds}
    second = {kind: sum(cells[other, kind] for other in kinds) for kind in kinds}
    seen = sum((cells[kind, kind] for kind in kinds), Fraction())
    chance = sum((first[kind] * second[kind] for kind in kinds), Fraction())
    if not pairs or chance == 1:
        return None
    value = (seen - chance) / (1 - chance)
    slopes = {
        (a, b): ((a == b) * (1 - chance) - (1 - seen) * (second[a] + first[b])) / (1 - chance) ** 2 for a, b in cells
    }
    mean = sum(cells[cell] * slope for cell, slope in slopes.items())
    variance = sum(cells[cell] * (slope - mean) ** 2 for cell, slope in slopes.items()) / len(pairs)
    reach = Z * math.sqrt(variance)
    return value, (max(-1.0, float(value) - reach), min(1.0, float(value) + reach))


def weighted_share(sample: Sequence[Weighted]) -> TrueEstimate:
    """Return the share of hits in the size of all items: Wilson's, with Kish's effective size of the sample."""
    total = sum((each.weight * each.size for each in sample), Fraction())
    spread = sum((each.weight * (each.weight - 1) * each.size**2 for each in sample), Fraction())
    value = sum((each.weight * each.size for each in sample if each.hit), Fraction()) / total
    if not spread:
        return TrueEstimate(float(value), float(value), float(value))
    return TrueEstimate(float(value), *wilson(value, total**2 / spread))


def weighted_total(sample: Sequence[Weighted], size: Number = 1) -> TrueEstimate:
    """Return the total size of all hits, drawn or not. `size` is a typical size of a hit.

    The hits outside the sample are a Poisson count of the mean weight of an item outside the sample.
    """
    seen = sum(each.size for each in sample if each.hit)
    unseen = sum((each.size * (each.weight - 1) for each in sample if each.hit), Fraction())
    outside = sum((each.weight - 1 for each in sample), Fraction())
    if not outside:
        return TrueEstimate(seen, seen, seen)
    unit = float(sum((each.weight * (each.weight - 1) for each in sample), Fraction()) / outside * Fraction(size))
    low, high = poisson(float(unseen) / unit)
    return TrueEstimate(float(seen + unseen), seen + unit * low, seen + unit * high)


def added(one: TrueEstimate, other: TrueEstimate) -> TrueEstimate:
    """Return the sum. Its limits are as far away as the two limits together, at a right angle."""
    value = one.value + other.value
    return TrueEstimate(
        value,
        value - math.dist((one.value, other.value), (one.low, other.low)),
        value + math.dist((one.value, other.value), (one.high, other.high)),
    )


def ratio(top: TrueEstimate, bottom: TrueEstimate) -> Interval:
    """Return the limits of a quotient: the quotients q for which 0 is just a limit of `top` - q × `bottom`."""
    value = top.value / bottom.value

    def least(q: float) -> float:
        return q * bottom.value - top.value + math.hypot(top.value - top.low, q * (bottom.high - bottom.value))

    def most(q: float) -> float:
        return q * bottom.value - top.value - math.hypot(top.high - top.value, q * (bottom.value - bottom.low))

    low = bisect(least, 0.0, value) if top.low > 0 else 0.0
    return low, outward(most, value) if bottom.low > 0 else math.inf


@cache
def poisson(count: float) -> Interval:
    """Return the mid-P interval of the mean of a Poisson count, which need not be whole."""

    def below(mean: float) -> float:
        return (gamma_share(count, mean) + gamma_share(count + 1, mean)) / 2

    low = 0.0 if count == 0 else outward(lambda mean: below(mean) - 0.025, 0.0)
    return low, outward(lambda mean: below(mean) - 0.975, low)


def gamma_share(shape: float, x: float) -> float:
    """Return the probability that a gamma variable t with this shape is below x.

    It is an integral over log(t), and for small shapes over the power of t that has a flat density at 0.
    """
    if not shape or not x:
        return 0.0 if shape else 1.0
    if shape < 1:
        powers = np.linspace(0.0, x**shape, STEPS)
        return simpson(powers, np.exp(-(powers ** (1 / shape)))) / math.gamma(shape + 1)
    end = math.log(x)
    logs = np.linspace(min(end, math.log(shape)) - 45 / shape - 10 / math.sqrt(shape), end, STEPS)
    return simpson(logs, np.exp(shape * logs - np.exp(logs) - math.lgamma(shape)))


def simpson(places: NDArray[np.float64], heights: NDArray[np.float64]) -> float:
    """Return the integral of a function that is known at evenly spaced places, an odd number of them."""
    step = (places[-1] - places[0]) / (len(places) - 1)
    return float(step / 3 * (heights[0] + 4 * heights[1:-1:2].sum() + 2 * heights[2:-1:2].sum() + heights[-1]))


def outward(rising: Callable[[float], float], low: float) -> float:
    """Return the root of a rising function above `low`."""
    high = max(1.0, 2 * low)
    while rising(high) < 0:
        high *= 2
    return bisect(rising, low, high)


def bisect(rising: Callable[[float], float], low: float, high: float) -> float:
    """Return the root of a rising function between two numbers, at least 0."""
    while high - low > 1e-11 * high and high > 1e-15:
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def turned(interval: Interval | None) -> Interval | None:
    """Return the interval of 1 minus a share."""
    return None if interval is None else (1 - interval[1], 1 - interval[0])


def typical(sizes: Iterable[int]) -> Fraction:
    """Return the mean size of an item, where each counts by its size."""
    every = list(sizes)
    return Fraction(sum(size**2 for size in every), sum(every)) if sum(every) else Fraction(1)
