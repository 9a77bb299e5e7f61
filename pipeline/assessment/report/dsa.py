"""The tables of the transparency report under the EU's Digital Services Act.

`dsa/` has the CSV templates of Annex I of Commission Implementing Regulation (EU) 2024/2835, as the Commission wrote
them: its parts, columns, rows and categories. What the store knows is filled in by the rules of Annex II: times are in
hours, shares from 0 to 1. All other fields stay empty for the operator. An empty field does not apply, and a count of
nothing is 0, so check each of them.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct, convert

from pipeline.assessment.options import HOUR_SECONDS
from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.wording import day
from pipeline.assessment.workdays import zone_of
from pipeline.base import yaml_reading
from pipeline.review.quality.figure import Figure

FOLDER = Path(__file__).with_name("dsa")
CATEGORY, KEYWORD, OTHER = "STATEMENT_CATEGORY_", "KEYWORD_", "KEYWORD_OTHER"
DESCRIPTION = 'Description of the sub-category "Other"'
MEASURES = "Number of measures taken at the provider's own initiative"
AUTOMATED = "Number of measures taken after detection with solely automated means"
NOTICES, ITEMS = (
    "Number of notices received",
    "Number of specific items of information included in the total number of notices",
)
ACTIONS = "Number of actions taken on the basis of the terms and conditions of the service"
TIME = "Median time to take action"
PLACEHOLDERS = {"[...]", "bg", "sv", "AT", "SE"}
"""Scopes that stand for a list of languages or member states."""

Row = dict[str, str]
"""One row, by the names of the columns."""


class Mapped(Struct, frozen=True):
    """Our reading of labels and actions, in `dsa/mapping.yaml`."""

    labels: dict[str, tuple[str, str]]
    """Category and keyword of each label."""
    restrictions: dict[str, str]
    """The column of each action that restricts something."""


class Place(NamedTuple):
    """Where a label is counted. `name` is empty unless the keyword is OTHER."""

    category: str
    keyword: str
    name: str


Counts = Mapping[Place, Counter[str]]
"""Numbers by column, for each place."""


def tables(report: AssessmentReport) -> dict[str, bytes]:
    """Return the eleven CSV files by name."""
    return {file.name: _table(report, file) for file in sorted(FOLDER.glob("*.csv"))}


@cache
def mapped() -> Mapped:
    return convert(yaml_reading.read_yaml(FOLDER / "mapping.yaml"), Mapped)


def place_of(report: AssessmentReport, label: str, notice: bool = False) -> Place:
    """Return where a label is counted."""
    category, keyword = mapped().labels.get(label, ("OTHER_VIOLATION_TC", "OTHER"))
    if notice and category == "OTHER_VIOLATION_TC":  # the law knows only notices of illegal content
        return Place(f"{CATEGORY}NOT_SPECIFIED_NOTICE", "", "")
    name = report.labels[label].en if label in report.labels else label or "Without a label"
    return Place(CATEGORY + category, KEYWORD + keyword, name if keyword == "OTHER" else "")


def _table(report: AssessmentReport, file: Path) -> bytes:
    header, *lines = csv.reader(io.StringIO(file.read_text("utf-8")))
    columns = [name.strip() for name in header]  # some of the Commission's headers end in a space
    rows = [dict(zip(columns, line, strict=False)) for line in lines if PLACEHOLDERS.isdisjoint(line)]
    for row in rows:
        if "Service" in row:
            row["Service"] = report.title
        if "Reporting period" in row:
            row["Reporting period"] = "/".join(_period(report))
    fill = FILLERS.get(file.stem, _blank)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")  # RFC 4180
    writer.writerow(header)
    writer.writerows([row.get(name, "") for name in columns] for row in fill(report, rows))
    return text.getvalue().encode()


def _period(report: AssessmentReport) -> tuple[str, str]:
    """Return the first and the last day of the window."""
    zone = zone_of(report.zone)
    # The window's end is not part of it, and is often midnight. A second before is the last day.
    return day(report.window.since, zone), day(report.window.until - 1, zone)


def _blank(report: AssessmentReport, rows: list[Row]) -> list[Row]:
    """Empty the fields in which the template tells what to write."""
    del report
    for row in rows:
        row |= {name: "" for name in ("Value", DESCRIPTION) if name in row}
    return rows


def _identification(report: AssessmentReport, rows: list[Row]) -> list[Row]:
    names = {each.field: each.shown.en for each in report.answers}
    first, last = _period(report)
    known = {
        "Name of the service provider": names.get("organisation_name") or names.get("person_name", ""),
        "Starting date of reporting period": first,
        "Ending date of reporting period": last,
    }
    return [row | {"Value": known.get(row["Indicator"], "")} for row in rows]


def _notices(report: AssessmentReport, rows: list[Row]) -> list[Row]:
    """Users' reports are the notices. Actions on them rest on the operator's rules."""
    counts: dict[Place, Counter[str]] = {}
    for each in report.figures:
        if (each.indicator, each.key, *each.split) == ("I-19", "received", "label") and each.value:
            found = counts.setdefault(place_of(report, each.split["label"], notice=True), Counter())
            found.update(dict.fromkeys((NOTICES, ITEMS), int(each.value)))
    for made in _restricting(report, {"report"}):
        counts.setdefault(place_of(report, made.label, notice=True), Counter())[ACTIONS] += made.n
    filled = _by_category(rows, counts, (NOTICES, ITEMS, ACTIONS))
    if median := _figure(report, "I-19", "p50"):
        filled[0] |= {TIME: _hours(median), f"Contextual information on {TIME}": "Time to the decision of each notice"}
    return filled


def _own_initiative(report: AssessmentReport, rows: list[Row]) -> list[Row]:
    """Measures that people took on speech that the software or an audit found, by the operator's rules."""
    counts: dict[Place, Counter[str]] = {}
    for made in _restricting(report, {"machine", "audit"}):
        found = counts.setdefault(place_of(report, made.label), Counter())
        found.update({MEASURES: made.n, mapped().restrictions[made.action]: made.n})
    return _by_category(rows, counts, (MEASURES, AUTOMATED, *sorted(set(mapped().restrictions.values()))))


def _complaints(report: AssessmentReport, rows: list[Row]) -> list[Row]:
    """Appeals are the complaints. Each upholds or reverses a decision."""
    received, reversed_ = _figure(report, "I-20", "received"), _figure(report, "I-20", "reversed")
    overturned = round((reversed_.value or 0.0) * reversed_.n) if reversed_ else 0
    settled = reversed_.n if reversed_ else 0
    known = {
        "Total number": str(int(received.value or 0)) if received else "",
        "Decisions upheld": str(settled - overturned),
        "Decisions partially reversed": "0",
        "Decisions reversed": str(overturned),
        "Median time": _hours(_figure(report, "I-20", "p50")),
    }
    own = "Number of complaints submitted to the internal-complaints mechanism"
    return [row | {"Value": known.get(row["Scope"], "") if row["Indicator"] == own else ""} for row in rows]


def _automated(report: AssessmentReport, rows: list[Row]) -> list[Row]:
    """People decide each measure. Precision and recall measure the flags, before a person decides."""
    own, notices = (sum(each.n for each in _restricting(report, by)) for by in ({"machine", "audit"}, {"report"}))
    received = _figure(report, "I-19", "received")
    known = {
        ("Number of measures solely taken by automated means", "Total number"): "0",
        ("Number of measures not taken by automated means", "Total number"): str(own + notices),
        ("Number of measures solely taken by automated means", "Own-initiative"): "0",
        ("Number of measures not taken by automated means", "Own-initiative"): str(own),
        ("Number of notices solely processed by automated means", "NAM Total"): "0",
        ("Number of notices not processed by automated means", "NAM Total"): (
            str(int(received.value or 0)) if received else ""
        ),
    }
    filled = []
    for row in rows:
        name, scope = row["Indicator"].strip(), row["Scope"].strip()
        filled.append(row | {"Value": known.get((name, scope), "")})
        indicator = {"Precision": "I-10", "Recall": "I-12"}.get(name.rpartition(" - ")[2])
        found = _figure(report, indicator, "share") if indicator else None
        if found and scope in {"Total number", "Own-initiative"}:
            filled[-1] |= {"Value": _number(found.value), "Contextual Information": _context(found)}
    return filled


FILLERS: Mapping[str, Callable[[AssessmentReport, list[Row]], list[Row]]] = {
    "1_report_identification": _identification,
    "4_notices": _notices,
    "6_own_initiative_TC": _own_initiative,
    "7_appeals_and_recidivism": _complaints,
    "8_automated_means": _automated,
}


class _Made(NamedTuple):
    label: str
    action: str
    n: int


def _restricting(report: AssessmentReport, found_by: set[str]) -> list[_Made]:
    """Return the measures that restrict something."""
    return [
        _Made(each.label, each.action, each.n)
        for each in report.restrictions
        if each.found_by in found_by and each.action in mapped().restrictions
    ]


def _by_category(rows: Iterable[Row], counts: Counts, columns: Iterable[str]) -> list[Row]:
    """Fill in the rows of categories and keywords. A category has the sum of its keywords."""
    filled, category = [], ""
    for row in rows:
        code = next(value for name, value in row.items() if name.startswith("Category of"))
        category = category if code.startswith(KEYWORD) else code  # the rows of its keywords follow a category
        inside = {at: found for at, found in counts.items() if category in {at.category, "TOTAL"}}
        if code.startswith(KEYWORD):
            inside = {at: found for at, found in inside.items() if at.keyword == code}
        # A label without a keyword of the Commission gets a row of its own, with its name as the description.
        for name in sorted({at.name for at in inside}) if code == OTHER and inside else [""]:
            chosen = [found for at, found in inside.items() if code != OTHER or at.name == name]
            sums = {column: str(sum(found[column] for found in chosen)) for column in columns}
            filled.append(row | {DESCRIPTION: name} | sums)
    return filled


def _figure(report: AssessmentReport, indicator: str, key: str) -> Figure | None:
    """Return the figure of all speech, if it is measured."""
    found = (each for each in report.figures if each.indicator == indicator and each.key == key and not each.split)
    return next((each for each in found if each.value is not None), None)


def _hours(figure: Figure | None) -> str:
    return _number(figure.value / HOUR_SECONDS) if figure and figure.value is not None else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _context(figure: Figure) -> str:
    low, high = figure.interval or (None, None)
    between = f"95% interval {low:.4g} to {high:.4g}, " if low is not None and high is not None else ""
    least = "the value is a lower limit, " if figure.bound else ""
    once = ", without reviewers' errors" if figure.caveat else ""
    return f"Flags before a person decides: {least}{between}n = {figure.n}{once}"
