"""The figures of a report as rows of its tables, in one language."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from markupsafe import Markup
from msgspec import Struct

from pipeline.assessment.figure import Figure
from pipeline.assessment.report import charts, numbers
from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.numbers import Language
from pipeline.assessment.report.texts import texts


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


class SplitTable(Struct, frozen=True, kw_only=True):
    """The values of one figure for parts of the speech."""

    indicator: str
    name: str
    by: str
    rows: tuple[ReportRow, ...]


class ReportRows:
    """Makes the rows of one report in one language."""

    def __init__(self, report: AssessmentReport, language: Language) -> None:
        self._report, self._language, self._texts = report, language, texts(language)
        self._definitions = {each.id: each for each in report.definitions}

    def whole(self, figures: Iterable[Figure], indicators: Iterable[str]) -> list[ReportRow]:
        """Return a row for each value of these indicators over all speech, and one for each that has no value."""
        found = {name: [each for each in figures if each.indicator == name and not each.split] for name in indicators}
        return [row for name, own in found.items() for row in (map(self._row, own) if own else [self._absent(name)])]

    def splits(self, figures: Iterable[Figure], indicators: Iterable[str]) -> list[SplitTable]:
        """Return a table for each figure and dimension that has several parts, of which at least one is measured.

        A single part repeats the figure of all speech.
        """
        wanted = set(indicators)
        parts = [each for each in figures if each.indicator in wanted and len(each.split) == 1]
        groups = [list(group) for _, group in groupby(sorted(parts, key=_split_key), key=_split_key)]
        several = [group for group in groups if len(group) > 1 and any(each.value is not None for each in group)]
        return [self._table(group) for group in several]

    def part(self, dimension: str, value: str) -> str:
        """Return the name of a value of a dimension, for example of a label."""
        if dimension == "label" and value in self._report.labels:
            return str(getattr(self._report.labels[value], self._language))
        return str(self._texts["values"].get(dimension, {}).get(value, value))

    def _table(self, figures: list[Figure]) -> SplitTable:
        first = figures[0]
        dimension = next(iter(first.split))
        scale = charts.scale_of(figures)
        return SplitTable(
            indicator=first.indicator,
            name=self._name(first),
            by=self._texts["by"].format(split=self._texts["splits"][dimension]),
            rows=tuple(self._row(each, self.part(dimension, each.split[dimension]), scale) for each in figures),
        )

    def _row(self, figure: Figure, name: str = "", scale: charts.Scale | None = None) -> ReportRow:
        measured = figure.value is not None
        return ReportRow(
            indicator=figure.indicator,
            name=name or self._name(figure),
            value=self._number(figure, figure.value),
            reason="" if measured else self._texts["unmeasured"][figure.unmeasured or "no_data"],
            interval=numbers.interval(figure.interval, figure.unit, self._language) if figure.interval else "",
            chart=charts.interval(figure, scale),
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
        definition = self._definitions[figure.indicator]
        name, value = self._text(definition.name), definition.values.get(figure.key)
        own = self._text(value.name) if value else figure.key
        return name if own.casefold() == name.casefold() else f"{name}{self._texts['colon']}{own}"

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


def _split_key(figure: Figure) -> tuple[str, str, str]:
    return figure.indicator, figure.key, next(iter(figure.split))
