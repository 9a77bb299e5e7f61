"""The figures of a report as rows of its tables, in one language."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from markupsafe import Markup
from msgspec import Struct

from pipeline.assessment.report import charts, numbers
from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.numbers import Language
from pipeline.assessment.report.texts import texts
from pipeline.review.quality.figure import Figure


class ReportRow(Struct, frozen=True, kw_only=True):
    """One figure as text. `value` is empty if it is not measured, and `reason` tells why."""

    indicator: str
    name: str
    value: str
    reason: str
    interval: str
    chart: Markup
    n: str
    before: str
    limit: str
    state: str
    """A key of the texts `met`."""
    partial: bool


class PartCell(Struct, frozen=True, kw_only=True):
    """One figure of a part of the speech, as text. `value` is empty if it is not measured, and `reason` tells why."""

    value: str
    interval: str
    n: str
    reason: str
    partial: bool


class PartRow(Struct, frozen=True, kw_only=True):
    """One part of the speech: a cell for each column, None for a figure that does not exist."""

    name: str
    chart: Markup
    """The value of the first column."""
    cells: tuple[PartCell | None, ...]


class PartTable(Struct, frozen=True, kw_only=True):
    """The values of one indicator for the parts of the speech by one dimension."""

    indicator: str
    name: str
    by: str
    columns: tuple[str, ...]
    rows: tuple[PartRow, ...]
    charted: bool
    """Whether the first column has charts: only an interval is worth one."""


class ReportRows:
    """Makes the rows of one report in one language."""

    def __init__(self, report: AssessmentReport, language: Language) -> None:
        self._report, self._language, self._texts = report, language, texts(language)
        self._definitions = {each.id: each for each in report.definitions}

    def whole(self, figures: Iterable[Figure], indicators: Iterable[str]) -> list[ReportRow]:
        """Return a row for each value of these indicators over all speech, and one for each that has no value."""
        found = {name: [each for each in figures if each.indicator == name and not each.split] for name in indicators}
        return [row for name, own in found.items() for row in (map(self._row, own) if own else [self._absent(name)])]

    def parts(self, figures: Iterable[Figure], indicators: Iterable[str]) -> list[PartTable]:
        """Return a table for each indicator and dimension with several parts, of which at least one is measured.

        A single part repeats the figure of all speech.
        """
        wanted = set(indicators)
        parts = [each for each in figures if each.indicator in wanted and len(each.split) == 1]
        groups = [list(group) for _, group in groupby(sorted(parts, key=_place), key=_place)]
        return [table for group in groups if (table := self._parts(group))]

    def part(self, dimension: str, value: str) -> str:
        """Return the name of a value of a dimension, for example of a label."""
        if dimension == "label" and value in self._report.labels:
            return str(getattr(self._report.labels[value], self._language))
        return str(self._texts["values"].get(dimension, {}).get(value, value))

    def _parts(self, figures: list[Figure]) -> PartTable | None:
        """Return the table of one indicator and dimension; None without several parts or without a value."""
        [dimension] = figures[0].split
        found: dict[str, dict[str, Figure]] = {}
        for each in figures:
            found.setdefault(each.split[dimension], {})[each.key] = each
        keys = list(dict.fromkeys(each.key for each in figures if each.value is not None))
        if len(found) < 2 or not keys:
            return None
        first = [own[keys[0]] for own in found.values() if keys[0] in own]
        scale = charts.scale_of(first)
        return PartTable(
            indicator=figures[0].indicator,
            name=self._text(self._definitions[figures[0].indicator].name),
            by=self._texts["by"].format(split=self._texts["splits"][dimension]),
            columns=tuple(self._own(figures[0].indicator, key) for key in keys),
            rows=tuple(
                PartRow(
                    name=self.part(dimension, value),
                    chart=charts.interval(own[keys[0]], scale) if keys[0] in own else Markup(""),
                    cells=tuple(self._cell(own[key]) if key in own else None for key in keys),
                )
                for value, own in found.items()
            ),
            charted=any(each.interval for each in first),
        )

    def _cell(self, figure: Figure) -> PartCell:
        return PartCell(
            value=self._number(figure, figure.value),
            interval=self._interval(figure),
            n=f"{figure.n:,}",
            reason=self._reason(figure),
            partial=not figure.whole,
        )

    def _row(self, figure: Figure) -> ReportRow:
        return ReportRow(
            indicator=figure.indicator,
            name=self._name(figure),
            value=self._number(figure, figure.value),
            reason=self._reason(figure),
            interval=self._interval(figure),
            chart=charts.interval(figure),
            n=f"{figure.n:,}",
            before=self._number(figure, figure.previous),
            limit=self._limit(figure),
            state=state(figure),
            partial=not figure.whole,
        )

    def _absent(self, indicator: str) -> ReportRow:
        """Return the row of an indicator without figures, so that none is left out."""
        return ReportRow(
            indicator=indicator,
            name=self._text(self._definitions[indicator].name),
            value="",
            reason=self._texts["unmeasured"][""],
            interval="",
            chart=Markup(""),
            n="0",
            before="",
            limit="",
            state="none",
            partial=False,
        )

    def _name(self, figure: Figure) -> str:
        name, own = self._text(self._definitions[figure.indicator].name), self._own(figure.indicator, figure.key)
        return name if own.casefold() == name.casefold() else f"{name}{self._texts['colon']}{own}"

    def _own(self, indicator: str, key: str) -> str:
        """Return the name of a value."""
        value = self._definitions[indicator].values.get(key)
        return self._text(value.name) if value else key

    def _reason(self, figure: Figure) -> str:
        return "" if figure.value is not None else str(self._texts["unmeasured"][figure.unmeasured or "no_data"])

    def _interval(self, figure: Figure) -> str:
        return numbers.interval(figure.interval, figure.unit, self._language) if figure.interval else ""

    def _text(self, names: Any) -> str:
        return str(getattr(names, self._language))

    def _number(self, figure: Figure, value: float | None) -> str:
        return "" if value is None else numbers.shown(value, figure.unit, self._language)

    def _limit(self, figure: Figure) -> str:
        if figure.threshold is None:
            return ""
        value = self._definitions[figure.indicator].values.get(figure.key)
        sign = "≤" if value and value.better == "lower" else "≥"
        return f"{sign} {self._number(figure, figure.threshold)}"


def state(figure: Figure) -> str:
    """Return whether a figure keeps its limit. With the limit inside the interval it is inconclusive."""
    if figure.met is None:
        return "none"
    if figure.interval and figure.threshold is not None and figure.interval[0] < figure.threshold < figure.interval[1]:
        return "inconclusive"
    return "met" if figure.met else "missed"


def combined(figures: Iterable[Figure], indicators: Iterable[str]) -> int:
    """Return the number of figures that are split by more than one dimension."""
    wanted = set(indicators)
    return sum(each.indicator in wanted and len(each.split) > 1 for each in figures)


def _place(figure: Figure) -> tuple[str, str]:
    return figure.indicator, next(iter(figure.split))
