"""The figures of an indicator as the pages show them."""

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from pipeline.assessment.catalogue import INDICATORS, Indicator
from pipeline.assessment.report import figure_rows as report_rows
from pipeline.assessment.report.gather import OF_DRILLS
from pipeline.review.quality.figure import Figure

State = Literal["met", "missed", "inconclusive", "unlimited", "unmeasured"]
STATES: tuple[State, ...] = ("met", "missed", "inconclusive", "unlimited", "unmeasured")
OF_LIMITS: dict[str, State] = {
    "none": "unlimited",
    "inconclusive": "inconclusive",
    "met": "met",
    "missed": "missed",
}
SPLITS = ("label", "language", "room_type", "policy", "model", "source", "severity", "reason")
"""The order of the tables of parts."""


class FigureRow(Struct, frozen=True):
    """One line of a table. `figure` is for all speech, or for the part `part` of it."""

    indicator: Indicator
    figure: Figure
    main: bool = True
    """False: a further value of the indicator."""
    part: str = ""

    @property
    def state(self) -> State:
        if self.figure.value is None:
            return "unmeasured"
        return OF_LIMITS[report_rows.state(self.figure)]


def rows(figures: Sequence[Figure], drills: bool) -> list[FigureRow]:
    """Return the main value of each indicator, and the further values that have a limit.

    With `drills`: of the indicators that are measured on test data, and no others.
    """
    shown = [each for each in INDICATORS.values() if (OF_DRILLS in each.sources) == drills]
    return [row for each in shown for row in _rows(each, figures) if row.main or row.figure.threshold is not None]


def by_article(found: Sequence[FigureRow]) -> dict[str, list[FigureRow]]:
    """Return the rows by the first item of article 5 that their indicator belongs to, in the order of the items."""
    groups: dict[str, list[FigureRow]] = {}
    for row in found:
        groups.setdefault(row.indicator.items[0], []).append(row)
    return dict(sorted(groups.items()))


def values(indicator: Indicator, figures: Sequence[Figure]) -> list[FigureRow]:
    """Return all values of an indicator, for all speech."""
    return list(_rows(indicator, figures))


def parts(indicator: Indicator, figures: Sequence[Figure]) -> dict[tuple[str, str], list[FigureRow]]:
    """Return the values of the parts of the speech, by split and by value of the indicator."""
    found: dict[tuple[str, str], list[FigureRow]] = {}
    for split in SPLITS:
        for figure in figures:
            if figure.indicator == indicator.id and next(iter(figure.split), "") == split:
                row = FigureRow(indicator, figure, part=_part(figure))
                found.setdefault((split, figure.key), []).append(row)
    return found


def _rows(indicator: Indicator, figures: Sequence[Figure]) -> Iterator[FigureRow]:
    whole = {each.key: each for each in figures if each.indicator == indicator.id and not each.split}
    for key, value in indicator.values.items():
        absent = Figure(indicator=indicator.id, key=key, unit=value.unit, unmeasured="no_data")
        yield FigureRow(indicator, whole.get(key, absent), key == next(iter(indicator.values)))


def _part(figure: Figure) -> str:
    return " · ".join(figure.split.values())
