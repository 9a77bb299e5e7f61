"""The geometry of charts. The macros of `templates/chart_macros.html` draw it as inline SVG.

All positions are units of the SVG, which are pixels at its drawn size. The only text made here is numbers.
"""

import itertools
import math
from collections.abc import Sequence

from msgspec import Struct

from pipeline.review.quality.statistics import Interval, Share

Point = tuple[float, float]
Series = Sequence[float | None]  # a value for each bucket; None: too few data


class ChartAxis(Struct, frozen=True):
    """A linear axis from the value `low` at the position `start` to the value `high` at `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


class Tick(Struct, frozen=True):
    """A mark on an axis."""

    value: float
    place: float


class BacklogGap(Struct, frozen=True):
    """An area where more cases arrived than were decided. `cases` is the difference, `x` is the middle."""

    points: str
    cases: int
    x: float
    top: float


class PairChart(Struct, frozen=True):
    """Two lines over the same buckets, and the areas where the first is above the second."""

    x: ChartAxis
    ticks: tuple[Tick, ...]
    first: str
    second: str
    first_end: float
    second_end: float
    gaps: tuple[BacklogGap, ...]

    @property
    def widest(self) -> BacklogGap | None:
        """The area with the largest difference."""
        return max(self.gaps, key=lambda gap: gap.cases, default=None)


class BandPart(Struct, frozen=True):
    """Buckets in a row that have data, under one policy and one model: a line and its interval."""

    line: str
    band: str
    last: Point
    value: float
    single: bool


class ChangeMark(Struct, frozen=True):
    """A change of policy or model: the position of its line and the height of its name."""

    x: float
    y: float

    @property
    def left(self) -> bool:
        """Whether the name stands left of the line, so that it stays in the chart."""
        return self.x >= (LEFT + RIGHT) * 3 / 4


class BandChart(Struct, frozen=True):
    """A line with intervals. It has gaps at buckets without data and at changes."""

    x: ChartAxis
    y: ChartAxis
    ticks: tuple[Tick, ...]
    parts: tuple[BandPart, ...]
    changes: tuple[ChangeMark, ...]


class SparkChart(Struct, frozen=True):
    """A small line without an axis, from the lowest to the highest value. It has gaps at buckets without data."""

    lines: tuple[str, ...]
    last: Point


class DotRow(Struct, frozen=True):
    """A share with its interval; `bad`: the whole interval is below the limit. None: too few items."""

    name: str
    n: int
    y: float
    value: float | None
    x: float
    low: float
    high: float
    bad: bool
    hits: int = 0


class DotChart(Struct, frozen=True):
    """Shares with intervals, one below the other."""

    x: ChartAxis
    ticks: tuple[Tick, ...]
    rows: tuple[DotRow, ...]
    height: float
    limit: float | None
    """Position."""


LEFT, RIGHT, TOP, BOTTOM = 34.0, 636.0, 12.0, 212.0
ROW = 30.0
NAME = 150.0
"""The longest name of a change. Names nearer than this stand one above the other."""
TARGET = 60.0
"""The place of the target on a bar of the length 100."""
TENFOLD = 13.0
"""What each tenfold of the target adds to a bar."""


def pair(first: Sequence[int], second: Sequence[int], right: float = 702.0) -> PairChart:
    """Return the chart of two counts over the same buckets. There are at least two."""
    # The axis begins at 0, because it shows counts, and ends at a round number. 1: days without cases need an axis,
    # too.
    top = max(*first, *second, 1)
    step = round_step(top / 2)
    y = ChartAxis(0, step * math.ceil(top / step), BOTTOM, TOP)
    x = ChartAxis(0, len(first) - 1, LEFT, right)
    one, two = ([(x(n), y(value)) for n, value in enumerate(values)] for values in (first, second))
    ticks = [Tick(n * step, y(n * step)) for n in range(round(y.high / step) + 1)]
    ends = apart(one[-1][1], two[-1][1])
    return PairChart(x, tuple(ticks), drawn(one), drawn(two), *ends, tuple(_gaps(first, second, one, two)))


def band(
    values: Series, intervals: Sequence[Interval | None], changes: Sequence[float], low: float = 0.0, high: float = 1.0
) -> BandChart:
    """Return the chart of a value with intervals. `changes` are places between the buckets: 1.5 is after the second."""
    y = ChartAxis(low, high, BOTTOM, TOP)
    x = ChartAxis(0, len(values) - 1, LEFT, RIGHT)
    ticks = [Tick(value, y(value)) for value in (low + (high - low) * n / 4 for n in range(5))]
    parts = []
    for run in _runs(values, changes):
        points = [(x(n), y(values[n] or 0.0)) for n in run]
        bounds = [intervals[n] or (0.0, 0.0) for n in run]
        # The band is one polygon: the upper bounds from left to right, then the lower ones back.
        upper = [(x(n), y(top)) for n, (_, top) in zip(run, bounds, strict=True)]
        lower = [(x(n), y(bottom)) for n, (bottom, _) in zip(run, bounds, strict=True)]
        area, last = drawn([*upper, *reversed(lower)]), values[run[-1]] or 0.0
        parts.append(BandPart(drawn(points), area, points[-1], last, len(run) == 1))
    return BandChart(x, y, tuple(ticks), tuple(parts), tuple(marks([x(place) for place in changes])))


def spark(values: Series) -> SparkChart | None:
    """Return the line of at least two values, 96 wide and 24 high; None if there are fewer."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return None
    low, high = min(known), max(known)
    x = ChartAxis(0, len(values) - 1, 2.0, 92.0)
    y = ChartAxis(low, high, 21.0, 3.0) if low < high else ChartAxis(low - 1, low + 1, 21.0, 3.0)
    runs = [[(x(n), y(values[n] or 0.0)) for n in run] for run in _runs(values, ())]
    return SparkChart(tuple(drawn(run) for run in runs), runs[-1][-1])


def marks(places: Sequence[float]) -> list[ChangeMark]:
    """Return a mark for each place, with the names one above the other where they would overlap."""
    found: list[ChangeMark] = []
    for place in places:
        # Twice: one name may stand right of its line, and the next one left of its own.
        near = {mark.y for mark in found if abs(mark.x - place) < 2 * NAME}
        found.append(ChangeMark(place, next(y for y in itertools.count(BOTTOM - 6, -14) if y not in near)))
    return found


def waited(seconds: float, target: float) -> float:
    """Return the length of a bar, at most 100, for a case that waited `seconds`. Its target is at TARGET.

    Up to the target the bar is linear. Beyond it, each tenfold adds TENFOLD, so that an hour and a week differ.
    """
    share = seconds / target
    return round(TARGET * share if share <= 1 else min(TARGET + TENFOLD * math.log10(share), 100.0), 1)


def dots(shares: Sequence[tuple[str, Share]], enough: int, limit: float | None) -> DotChart:
    """Return the chart of named shares in the order given. Below `enough` items, a row has no dot."""
    # The axis begins below the lowest interval, at a multiple of 20 %, but never above 80 %.
    shown = [share.interval[0] for _, share in shares if share.n >= enough]
    low = math.floor(min([*shown, *([limit] if limit else []), 0.8]) * 5) / 5
    x = ChartAxis(low, 1.0, 160.0, 540.0)
    rows = [_row(name, share, enough, limit, x, 18.0 + ROW * n) for n, (name, share) in enumerate(shares)]
    steps = round((1 - low) / 0.2)
    ticks = [Tick(value, x(value)) for value in (low + 0.2 * n for n in range(steps + 1))]
    return DotChart(x, tuple(ticks), tuple(rows), ROW * len(rows) + 30, None if limit is None else x(limit))


def round_step(value: float) -> float:
    """Return the smallest of 1, 2, 5, 10, 20, 50 … that is not below `value`."""
    power = 10.0 ** math.floor(math.log10(max(value, 1.0)))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= value)


def drawn(points: Sequence[Point]) -> str:
    """Return the points as SVG writes them."""
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def apart(one: float, two: float, least: float = 14.0) -> tuple[float, float]:
    """Return two heights for labels, at least `least` apart."""
    missing = max(0.0, least - abs(one - two)) / 2  # both labels move by the same distance
    return (one - missing, two + missing) if one <= two else (one + missing, two - missing)


def _row(name: str, share: Share, enough: int, limit: float | None, x: ChartAxis, y: float) -> DotRow:
    if share.n < enough:
        return DotRow(name, share.n, y, None, x.start, x.start, x.start, False, share.hits)
    low, high = share.interval
    bad = limit is not None and high < limit  # an interval across the limit proves nothing
    return DotRow(name, share.n, y, share.value, x(share.value), x(low), x(high), bad, share.hits)


def _gaps(first: Sequence[int], second: Sequence[int], one: Sequence[Point], two: Sequence[Point]) -> list[BacklogGap]:
    """Return the areas in which the first line is above the second, each with the buckets beside it."""
    above = [a > b for a, b in zip(first, second, strict=True)]
    found: list[BacklogGap] = []
    for over, run in itertools.groupby(range(len(first)), key=above.__getitem__):
        inside = list(run)
        if over:
            cases = sum(first[n] - second[n] for n in inside)
            # One bucket more on both sides, so that the area ends where the lines cross or meet.
            edges = range(max(0, inside[0] - 1), min(len(first), inside[-1] + 2))
            upper = [(one[n][0], min(one[n][1], two[n][1])) for n in edges]
            lower = [two[n] for n in reversed(edges)]
            top = min(y for _, y in upper)
            found.append(BacklogGap(drawn([*upper, *lower]), cases, one[inside[len(inside) // 2]][0], top))
    return found


def _runs(values: Series, changes: Sequence[float]) -> list[list[int]]:
    """Return the numbers of the buckets in a row that have a value, with no change between them."""
    runs: list[list[int]] = []
    for n, value in enumerate(values):
        if value is None:
            continue
        joins = bool(runs) and runs[-1][-1] == n - 1 and not any(n - 1 < place <= n for place in changes)
        if joins:
            runs[-1].append(n)
        else:
            runs.append([n])
    return runs
