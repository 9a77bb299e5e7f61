"""Shares, agreement and estimated totals, each with its 95 % interval, and quantiles of waits.

Samples here are Poisson samples: each item is drawn on its own, with a known probability. Its weight is 1 divided by
that probability: the number of items that it stands for (Horvitz and Thompson 1952). The intervals are about the items
of the window and not about the future, so they shrink to a point if every item is in the sample.

`python -m benchmarks.audits` measures how often the intervals contain the truth (docs/benchmarks.md).
"""

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Z = 1.959963984540054
"""Quantile of the normal distribution for a two-sided interval of 95 %."""
TAIL = 0.025
"""Probability on each side of a 95 % interval."""

LARGE = 500.0
"""Above this shape, `lower_gamma` uses an approximation."""

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
        return wilson(self.value, self.n) if self.n else (0.0, 1.0)


class Estimate(Struct, frozen=True):
    """An estimated number with its 95 % interval."""

    value: float
    interval: Interval


class Drawn(Struct, frozen=True, kw_only=True):
    """Items of a sample that have the same weight. `count` is above 0, `weight` at least 1.

    An item has a size, for example its seconds, or 1. `size` is their sum, `squares` the sum of their squares.
    """

    count: int
    weight: float
    size: float
    squares: float


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
    # Not exactly 1, because the sums are rounded.
    if chance >= 1 - 1e-12 or not n:
        return Kappa(n, None, None)
    value = (seen - chance) / (1 - chance)
    agreed = sum(p[a, a] * ((1 - chance) - (rows[a] + columns[a]) * (1 - seen)) ** 2 for a in kinds)
    differed = (1 - seen) ** 2 * sum(p[a, b] * (columns[a] + rows[b]) ** 2 for a in kinds for b in kinds if a != b)
    variance = agreed + differed - (seen * chance - 2 * chance + seen) ** 2
    error = math.sqrt(max(0.0, variance) / n) / (1 - chance) ** 2
    return Kappa(n, value, (max(-1.0, value - Z * error), min(1.0, value + Z * error)))


def wilson(share: float, n: float) -> Interval:
    """Return Wilson's interval (1927) of a share (0 to 1) of `n` items. `n` may be an effective size, or infinite."""
    middle = share + Z**2 / (2 * n)
    reach = Z * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    scale = 1 + Z**2 / n
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


def weighted_share(hits: Sequence[Drawn], others: Sequence[Drawn]) -> Estimate:
    """Estimate the share of hits in the size of all items, from the hits and the other items of a sample.

    The sample is not empty. The interval is Wilson's, with the effective size of the sample (Kish 1965) in place of its
    size, as Korn and Graubard propose (Survey Methodology 24, 1998). The factor (weight - 1) corrects for a sample that
    is a large part of all items.
    """
    total = _total([*hits, *others])
    square = math.fsum(each.squares * each.weight * (each.weight - 1) for each in (*hits, *others))
    value = _total(hits) / total
    return Estimate(value, wilson(value, total**2 / square if square else math.inf))


def weighted_total(hits: Sequence[Drawn], sample: Sequence[Drawn], spread: float = 1.0) -> Estimate:
    """Estimate the total size of all hits, drawn or not. `hits` is the part of the `sample` that hit.

    `spread` is the sum of the squares of the hits' sizes divided by the sum of their sizes. It is the size of a hit if
    all have the same size.

    The hits outside the sample are a Poisson count. Its effective size is the estimate divided by the mean weight
    (after Kish 1965, and Korn and Graubard 1998), and its interval is the mid-P interval. The mean weight comes from
    the whole sample, because a few hits say little about the weights of the other hits. With unequal weights, the gamma
    interval of Fay and Feuer (1997) and its mid-P variant (Fay and Kim 2017) were too wide in the simulated audits.
    """
    seen = math.fsum(each.size for each in hits)
    unseen = math.fsum(each.size * (each.weight - 1) for each in hits)
    unit = _mean_weight(sample) * spread
    if not unit:
        return Estimate(seen, (seen, seen))
    low, high = poisson_interval(unseen / unit)
    return Estimate(seen + unseen, (seen + unit * low, seen + unit * high))


def scaled(estimate: Estimate, factor: float) -> Estimate:
    """Multiply an estimate with a known number."""
    low, high = estimate.interval
    return Estimate(estimate.value * factor, (low * factor, high * factor))


def clipped(estimate: Estimate, most: float) -> Estimate:
    """Cut an estimate and its interval to the possible values, 0 to `most`."""
    value, low, high = (min(max(bound, 0.0), most) for bound in (estimate.value, *estimate.interval))
    return Estimate(value, (low, high))


def added(one: Estimate, other: Estimate) -> Estimate:
    """Add two independent estimates."""
    return combined(operator.add, one, other)


def combined(function: Callable[..., float], *estimates: Estimate) -> Estimate:
    """Compute a number from independent estimates. `function` must rise or fall steadily with each of them.

    The limits of each estimate alone change the number. The interval adds the squares of these changes, on either side
    (Zou and Donner, Statistics in Medicine 27, 2008).
    """
    values = [each.value for each in estimates]
    value = function(*values)
    below = above = 0.0
    for place, each in enumerate(estimates):
        ends = [function(*values[:place], limit, *values[place + 1 :]) - value for limit in each.interval]
        below, above = math.hypot(below, min(0.0, *ends)), math.hypot(above, max(0.0, *ends))
    return Estimate(value, (value - below, value + above))


def divided(top: Estimate, bottom: Estimate) -> Estimate:
    """Divide two independent estimates that are not negative. `bottom.value` is above 0.

    The interval is the closed form of Donner and Zou (Statistical Methods in Medical Research 21, 2012). It has no
    upper limit if `bottom` may be 0.
    """
    (low, high), (least, most) = top.interval, bottom.interval
    both = top.value * bottom.value
    # The closed form is (both - root) / (most * (2 * bottom - most)). Written so, it holds for any upper limit.
    root = math.sqrt(max(0.0, both**2 - low * most * (2 * top.value - low) * (2 * bottom.value - most)))
    below = low * (2 * top.value - low) / (both + root) if both else 0.0
    if not least:
        return Estimate(top.value / bottom.value, (below, math.inf))
    root = math.sqrt(max(0.0, both**2 - high * least * (2 * top.value - high) * (2 * bottom.value - least)))
    return Estimate(top.value / bottom.value, (below, (both + root) / (least * (2 * bottom.value - least))))


def poisson_interval(count: float) -> Interval:
    """Return the mid-P interval of the mean of a Poisson count. `count` is 0 or more; it need not be whole.

    Garwood's exact interval (1936) holds at least 95 %, and much more for small counts. The mid-P interval counts the
    probability of the observed count by half, so that it holds 95 % on average (Lancaster 1961).
    """

    def below(mean: float) -> float:
        """Return the probability that the true mean is below `mean`, by the confidence distribution."""
        return (lower_gamma(count, mean) + lower_gamma(count + 1, mean)) / 2

    # Far above the upper limit of any count, so that the bisection has it between its ends.
    most = count + 20 * math.sqrt(count + 1)
    low = 0.0 if below(0.0) >= TAIL else _solve(lambda mean: below(mean) - TAIL, 0.0, most)
    return low, _solve(lambda mean: below(mean) - (1 - TAIL), 0.0, most)


def lower_gamma(shape: float, x: float) -> float:
    """Return the regularised lower incomplete gamma function; 1 if `shape` is 0.

    It is the series of Abramowitz and Stegun (6.5.29). For large shapes it is the cube root of Wilson and Hilferty
    (1931), with an error below 0.0001.
    """
    if shape <= 0:
        return 1.0
    if x <= 0:
        return 0.0
    if shape > LARGE:
        cube = ((x / shape) ** (1 / 3) - 1 + 1 / (9 * shape)) * 3 * math.sqrt(shape)
        return (1 + math.erf(cube / math.sqrt(2))) / 2
    term = total = 1 / shape
    n = 0
    while term > total * 1e-15:
        n += 1
        term *= x / (shape + n)
        total += term
    return min(1.0, total * math.exp(shape * math.log(x) - x - math.lgamma(shape)))


def _total(items: Sequence[Drawn]) -> float:
    return math.fsum(each.size * each.weight for each in items)


def _mean_weight(sample: Sequence[Drawn]) -> float:
    """Return the mean weight over the items outside the sample; 0 if every item is in the sample."""
    outside = math.fsum(each.count * (each.weight - 1) for each in sample)
    square = math.fsum(each.count * each.weight * (each.weight - 1) for each in sample)
    return square / outside if outside else 0.0


def _solve(rising: Callable[[float], float], low: float, high: float) -> float:
    # Bisection. A float has 53 bits, so more than 60 halvings change nothing.
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


ROUNDING = 1e-9
"""A share this close to the wanted one reaches it, in spite of the rounding of the products."""


Counts = NDArray[np.int64]


class Spell(NamedTuple):
    """Waits of the same length. `ended` of them are over, and `open` ones last at least as long."""

    seconds: int
    ended: int
    open: int


class Survival:
    """The distribution of the length of waits, some not over yet: the estimate of Kaplan and Meier (JASA 53, 1958)."""

    def __init__(self, spells: Iterable[Spell]) -> None:
        self._estimate(*np.array([*spells], np.int64).reshape(-1, 3).T)

    @classmethod
    def counted(cls, seconds: Counts, ended: Counts, waiting: Counts) -> "Survival":
        """Return the distribution of waits of which `ended` and `waiting` ones last as long as `seconds` says."""
        made = cls(())
        made._estimate(seconds, ended, waiting)
        return made

    def quantile(self, share: float) -> float | None:
        """Return the shortest time after which `share` of the waits are over.

        None: there are no waits, or too many are still open.
        """
        place = np.searchsorted(self._over, share - ROUNDING)
        return float(self._seconds[place]) if place < len(self._over) else None

    def over_after(self, seconds: float) -> float | None:
        """Return the share of waits that are over after this time.

        After the longest wait the estimate keeps its last value (Gill, 1980), which is the lowest that is possible.
        None: there are no waits, or none of them was observed for so long and none is over.
        """
        # The estimate is a step function: the last step at or before `seconds` holds.
        place = np.searchsorted(self._seconds, seconds, side="right")
        if place:
            return float(self._over[place - 1])
        return 0.0 if self._longest >= seconds and self.n else None

    def _estimate(self, seconds: Counts, ended: Counts, waiting: Counts) -> None:
        """Compute the share that is over at each time. In arrays: waits of a quarter have thousands of lengths."""
        times, places = np.unique(seconds, return_inverse=True)
        over, still = (np.bincount(places, count, len(times)) for count in (ended, waiting))
        self.n, self.open = int((over + still).sum()), int(still.sum())
        self._longest = int(times.max(initial=0))
        # Waits that are censored at this very time are still at risk.
        at_risk = self.n - np.cumsum(over + still) + over + still
        steps = over > 0
        # Product-limit estimate.
        self._seconds = times[steps]
        self._over = 1 - np.cumprod(1 - over[steps] / at_risk[steps])
