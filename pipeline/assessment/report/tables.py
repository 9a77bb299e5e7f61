"""The figures of a report as JSON and CSV, for programs."""

import csv
import io
from collections.abc import Iterable, Sequence

from pipeline.assessment.report.content import AssessmentReport
from pipeline.base import canonical_json
from pipeline.review.quality.figure import Figure

COLUMNS = (
    "data",
    "indicator",
    "name_zh",
    "name_en",
    "key",
    "split",
    "unit",
    "value",
    "low",
    "high",
    "n",
    "unmeasured",
    "whole",
    "previous",
    "threshold",
    "met",
    "since",
    "until",
    "compute",
)


def figures_json(report: AssessmentReport) -> bytes:
    """Return all figures with their definitions as canonical JSON."""
    return canonical_json.canonical_bytes(
        {
            "assessment": report.id,
            "window": report.window,
            "operation": report.figures,
            "drills": report.drill_figures,
            "definitions": report.definitions,
        }
    )


def figures_csv(report: AssessmentReport) -> bytes:
    """Return all figures as CSV. The column `data` tells operation from drills."""
    kinds = (("operation", report.figures), ("drill", report.drill_figures))
    return table(COLUMNS, (_row(report, kind, figure) for kind, figures in kinds for figure in figures))


def queries_sql(report: AssessmentReport) -> bytes:
    """Return the SQL behind the numbers, each under the name of what it computes."""
    parts = ["-- " + name + "\n" + ";\n".join(sql) + ";\n" for name, sql in sorted(report.queries.items())]
    return "\n".join(parts).encode()


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return rows as CSV in UTF-8. None becomes an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if value is None else value for value in row] for row in rows)
    return text.getvalue().encode()


def _row(report: AssessmentReport, kind: str, figure: Figure) -> list[object]:
    definition = next(each for each in report.definitions if each.id == figure.indicator)
    low, high = figure.interval or (None, None)
    return [
        kind,
        figure.indicator,
        definition.name.zh,
        definition.name.en,
        figure.key,
        ";".join(f"{name}={value}" for name, value in sorted(figure.split.items())),
        figure.unit,
        figure.value,
        low,
        high,
        figure.n,
        figure.unmeasured,
        str(figure.whole).lower(),
        figure.previous,
        figure.threshold,
        "" if figure.met is None else str(figure.met).lower(),
        report.window.since,
        report.window.until,
        definition.compute,
    ]
