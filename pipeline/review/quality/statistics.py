"""Shares, agreement and rates, each with its 95 % interval."""

import math
from collections.abc import Callable, Sequence

from msgspec import Struct

Z = 1.959963984540054
"""Quantile of the normal distribution for a two-sided interval of 95 %."""
TAIL = 0.025
"""Probability on each side of a 95 % interval."""

Interval = tuple[float, float]


class Share(Struct, frozen=True):
    """The share `hits` of `n`. `interval` is Wilson's (1927); it is (0, 1) if `n` is 0."""

    hits: int
    n: int

    @property
    def value(self) -> float:
        """The share, 0 to 1; NaN if `n` is 0."""
        return self.hits / self.n if self.n else math.nan

    @property
    def interval(self) -> Interval:
        if not self.n:
            return 0.0, 1.0
        p, n = self.value, self.n
        middle = p + Z**2 / (2 * n)
        reach = Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
        scale = 1 + Z**2 / n
        return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


class Kappa(Struct, frozen=True):
    """Cohen's kappa (1960) of two opinions on each of `n` cases.

    `value` and `interval` are None if chance alone would always agree, or if `n` is 0.
    """

    n: int
    value: float | None
    interval: Interval | None


def kappa(pairs: Sequence[tuple[str, str]]) -> Kappa:
    """Return the kappa of pairs of opinions.

    Its interval uses the large-sample error of Fleiss, Cohen and Everitt (Psychological Bulletin 72, 1969, eq. 13).
    """
    n = len(pairs)
    kinds = sorted({kind for pair in pairs for kind in pair})
    p = {(a, b): sum(pair == (a, b) for pair in pairs) / n for a in kinds for b in kinds}
    rows = {a: sum(p[a, b] for b in kinds) for a in kinds}
    columns = {b: sum(p[a, b] for a in kinds) for b in kinds}
    seen = sum(p[a, a] for a in kinds)
    chance = sum(rows[a] * columns[a] for a in kinds)
    if chance >= 1 - 1e-12 or not n:
        return Kappa(n, None, None)
    value = (seen - chance) / (1 - chance)
    agreed = sum(p[a, a] * ((1 - chance) - (rows[a] + columns[a]) * (1 - seen)) ** 2 for a in kinds)
    differed = (1 - seen) ** 2 * sum(p[a, b] * (columns[a] + rows[b]) ** 2 for a in kinds for b in kinds if a != b)
    variance = agreed + differed - (seen * chance - 2 * chance + seen) ** 2
    error = math.sqrt(max(0.0, variance) / n) / (1 - chance) ** 2
    return Kappa(n, value, (max(-1.0, value - Z * error), min(1.0, value + Z * error)))


def weighted_count(weights: Sequence[float]) -> Interval:
    """Return the 95 % interval of a total count that is estimated from a sample.

    `weights` has one value for each item found: 1 divided by its probability of being found. The method is the gamma
    interval of Fay and Feuer (Statistics in Medicine 16, 1997). With equal weights it equals Garwood's exact interval
    (1936) for a Poisson count. `weights` must not be empty; use `none_found` if nothing was found.
    """
    total, square = sum(weights), sum(weight**2 for weight in weights)
    largest = max(weights)
    low = square / total * _gamma_quantile(total**2 / square, TAIL)
    total, square = total + largest, square + largest**2
    return low, square / total * _gamma_quantile(total**2 / square, 1 - TAIL)


def none_found(weight: float) -> Interval:
    """Return the interval of `weighted_count` for a sample in which nothing was found.

    `weight` is the weight that an item would have had.
    """
    return 0.0, -math.log(TAIL) * weight


def _gamma_quantile(shape: float, probability: float) -> float:
    """Return the quantile of the gamma distribution with `shape` and scale 1 at `probability`."""
    return _solve(lambda x: _lower_gamma(shape, x) - probability, 0.0, shape + 20 * math.sqrt(shape) + 20)


def _solve(rising: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def _lower_gamma(shape: float, x: float) -> float:
    """Return the regularised lower incomplete gamma function, by its series (Abramowitz and Stegun 6.5.29)."""
    if x <= 0:
        return 0.0
    term = total = 1 / shape
    n = 0
    while term > total * 1e-15:
        n += 1
        term *= x / (shape + n)
        total += term
    return min(1.0, total * math.exp(shape * math.log(x) - x - math.lgamma(shape)))
