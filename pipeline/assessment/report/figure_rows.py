"""The figures of a report, and the settings that they depend on, as rows of its tables, in one language."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup
from msgspec import Struct

from pipeline.assessment.report import svg_charts, wording
from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.wording import Language, texts
from pipeline.judge.labels import SEVERITIES
from pipeline.review.quality.figure import Figure


class ReportRow(Struct, frozen=True, kw_only=True):
    """One figure as text. `value` is empty if it is not measured, and `reason` tells why."""

    indicator: str
    name: str
    value: str
    caveat: str
    """A cause of error that the interval leaves out, as text."""
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
    caveat: str
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
        """Return a row for each value of these indicators over all speech, and one for each indicator without."""
        found = {name: [each for each in figures if each.indicator == name and not each.split] for name in indicators}
        return [row for name, own in found.items() for row in (map(self._row, own) if own else [self._absent(name)])]

    def parts(self, figures: Iterable[Figure], indicators: Iterable[str]) -> list[PartTable]:
        """Return a table for each indicator and dimension with several parts, of which at least one is measured.

        A single part repeats the figure of all speech.
        """
        wanted = set(indicators)
        parts = [each for each in figures if each.indicator in wanted and len(each.split) == 1]
        # groupby joins neighbours only, so sort by the same key first.
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
        keys = list(dict.fromkeys(each.key for each in figures if each.value is not None))  # no empty columns
        if len(found) < 2 or not keys:
            return None
        first = [own[keys[0]] for own in found.values() if keys[0] in own]
        scale = svg_charts.scale_of(first)  # one scale for all rows, because a reader compares them
        return PartTable(
            indicator=figures[0].indicator,
            name=self._text(self._definitions[figures[0].indicator].name),
            by=self._texts["by"].format(split=self._texts["splits"][dimension]),
            columns=tuple(self._own(figures[0].indicator, key) for key in keys),
            rows=tuple(
                PartRow(
                    name=self.part(dimension, value),
                    chart=svg_charts.interval(own[keys[0]], scale) if keys[0] in own else Markup(""),
                    cells=tuple(self._cell(own[key]) if key in own else None for key in keys),
                )
                for value, own in found.items()
            ),
            charted=any(each.interval for each in first),
        )

    def _cell(self, figure: Figure) -> PartCell:
        return PartCell(
            value=self._value(figure),
            caveat=self._texts["caveats"].get(figure.caveat, ""),
            interval=self._interval(figure),
            n=f"{figure.n:,}",
            reason=self._reason(figure),
            partial=not figure.whole,
        )

    def _row(self, figure: Figure) -> ReportRow:
        return ReportRow(
            indicator=figure.indicator,
            name=self._name(figure),
            value=self._value(figure),
            caveat=self._texts["caveats"].get(figure.caveat, ""),
            reason=self._reason(figure),
            interval=self._interval(figure),
            chart=svg_charts.interval(figure),
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
            caveat="",
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
        # The main value often has the name of its indicator: "Speech coverage: speech coverage" says nothing more.
        return name if own.casefold() == name.casefold() else f"{name}{self._texts['colon']}{own}"

    def _own(self, indicator: str, key: str) -> str:
        """Return the name of a value."""
        value = self._definitions[indicator].values.get(key)
        return self._text(value.name) if value else key

    def _reason(self, figure: Figure) -> str:
        return "" if figure.value is not None else str(self._texts["unmeasured"][figure.unmeasured or "no_data"])

    def _interval(self, figure: Figure) -> str:
        return wording.interval(figure.interval, figure.unit, self._language) if figure.interval else ""

    def _text(self, names: Any) -> str:
        return str(getattr(names, self._language))

    def _value(self, figure: Figure) -> str:
        text = self._number(figure, figure.value)
        return str(self._texts["bounds"][figure.bound].format(value=text)) if text else ""

    def _number(self, figure: Figure, value: float | None) -> str:
        return "" if value is None else wording.shown(value, figure.unit, self._language)

    def _limit(self, figure: Figure) -> str:
        if figure.threshold is None:
            return ""
        value = self._definitions[figure.indicator].values.get(figure.key)
        sign = "≤" if value and value.better == "lower" else "≥"
        return f"{sign} {self._number(figure, figure.threshold)}"


def state(figure: Figure) -> str:
    """Return whether a figure keeps its limit."""
    if figure.met is None:
        return "none"
    # The limit lies inside the interval, so chance alone may decide.
    if figure.interval and figure.threshold is not None and figure.interval[0] < figure.threshold < figure.interval[1]:
        return "inconclusive"
    return "met" if figure.met else "missed"


def _place(figure: Figure) -> tuple[str, str]:
    return figure.indicator, next(iter(figure.split))


TIMES = frozenset({"acknowledge", "appeal", "lease", "report", "settled", "spread"})
"""Settings in seconds."""
SHARES = frozenset({"low_confidence", "stable_loss"})
"""Settings that are shares of 1."""


class ReportedSetting(Struct, frozen=True):
    """One setting."""

    key: str
    name: str
    text: str


def setting_rows(report: AssessmentReport, language: Language) -> list[ReportedSetting]:
    """Return the settings in the order of their texts."""
    words = texts(language)
    return [
        ReportedSetting(key, name, _text(report, key, report.options[key], language))
        for key, name in words["options"].items()
        if key in report.options
    ]


def _text(report: AssessmentReport, key: str, value: Any, language: Language) -> str:
    words = texts(language)
    if value is None or value in ({}, []):
        return str(words["none"])
    if key in TIMES:
        return wording.seconds(value, language)
    if key in SHARES:
        return wording.shown(value, "share", language)
    match key:
        case "zone":
            return wording.zone_name(value, language)
        case "limits":
            found = _limits(report, value, language)
        case "targets":
            found = _targets(value, language)
        case "retention":
            found = _retention(report, value, language)
        case "illegal":
            found = (_label(report, each, language) for each in value)
        case "languages":
            found = (words["values"]["language"].get(each, each) for each in value)
        case _:
            return wording.plain(value, language)
    return str(words["list"]).join(found)


def _limits(report: AssessmentReport, limits: Mapping[str, float], language: Language) -> Iterator[str]:
    known = {each.id: each for each in report.definitions}
    for name, limit in sorted(limits.items()):
        indicator, _, key = name.partition(".")
        value = known[indicator].values[key]
        sign = "≤" if value.better == "lower" else "≥"
        yield f"{indicator} {getattr(value.name, language)} {sign} {wording.shown(limit, value.unit, language)}"


def _targets(targets: Sequence[float], language: Language) -> Iterator[str]:
    for severity, seconds in zip(SEVERITIES, targets, strict=True):
        yield f"{texts(language)['values']['severity'][severity]} {wording.seconds(seconds, language)}"


def _retention(report: AssessmentReport, kept: Mapping[str, Any], language: Language) -> Iterator[str]:
    words = texts(language)["retention"]
    own = {f"{_label(report, name, language)} ": states for name, states in sorted(kept["labels"].items())}
    for label, states in {"": kept, **own}.items():  # first the rule of all labels that have none of their own
        for state in ("open", "upheld", "dismissed"):
            if days := states[state]:
                name = f"{label}{words[state]}"
                yield words["class"].format(state=name, case=f"{days['case_days']:g}", audio=f"{days['audio_days']:g}")
    yield words["logs"].format(days=f"{kept['logs_days']:g}")


def _label(report: AssessmentReport, name: str, language: Language) -> str:
    return str(getattr(report.labels[name], language)) if name in report.labels else name
