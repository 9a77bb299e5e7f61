"""Tables for the transparency report of the EU's Digital Services Act, by Implementing Regulation (EU) 2024/2835.

Each file has the data for one section of the quantitative template, as far as the store has them. The columns are ours:
copy the values into the Commission's form. What only the operator knows is in no file: orders of member states,
out-of-court disputes, monthly recipients.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from pipeline import yamlfiles
from pipeline.assessment.figure import Figure
from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.numbers import day
from pipeline.assessment.report.tables import table

OTHER = "OTHER_VIOLATION_TC"
NOTICES, COMPLAINTS, AUTOMATED, PEOPLE = ("I-19",), ("I-20", "I-11"), ("I-10", "I-12", "I-13", "I-15"), ("I-16", "I-18")
"""Indicators behind each section."""
COLUMNS = ("indicator", "value_name", "scope", "value", "low", "high", "n", "unit", "not_measured")


def tables(report: AssessmentReport) -> dict[str, bytes]:
    """Return the CSV files by name."""
    return {
        "1_identification.csv": _identification(report),
        "3_notices.csv": _figures(report, NOTICES),
        "4_5_own_initiative.csv": _restrictions(report),
        "6_complaints.csv": _figures(report, COMPLAINTS),
        "7_automated_means.csv": _figures(report, AUTOMATED),
        "8_human_resources.csv": _figures(report, PEOPLE),
    }


def category(label: str) -> str:
    """Return the category of a label."""
    return categories().get(label, OTHER)


@cache
def categories() -> dict[str, str]:
    """Return the category of each label that has one of its own."""
    found: dict[str, str] = yamlfiles.read(Path(__file__).with_suffix(".yaml"))["categories"]
    return found


def _identification(report: AssessmentReport) -> bytes:
    rows = [
        ("service", report.title),
        ("reporting_period_start", day(report.window.since)),
        ("reporting_period_end", day(report.window.until)),
        ("version", report.id),
        ("software", f"Voxwarden {report.versions.voxwarden}"),
    ]
    return table(("indicator", "value"), rows)


def _restrictions(report: AssessmentReport) -> bytes:
    rows = ((category(each.label), each.label, each.found_by, each.action, each.n) for each in report.restrictions)
    return table(("category", "label", "detected_by", "restriction", "measures"), sorted(rows))


def _figures(report: AssessmentReport, indicators: Iterable[str]) -> bytes:
    wanted = tuple(indicators)
    names = {each.id: each.name.en for each in report.definitions}
    return table(COLUMNS, (_row(names[each.indicator], each) for each in report.figures if each.indicator in wanted))


def _row(name: str, figure: Figure) -> list[object]:
    scope = ";".join(f"{dimension}={value}" for dimension, value in sorted(figure.split.items()))
    low, high = figure.interval or (None, None)
    return [name, figure.key, scope, figure.value, low, high, figure.n, figure.unit, figure.unmeasured]
