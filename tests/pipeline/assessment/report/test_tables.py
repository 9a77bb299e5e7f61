"""Figures as JSON and CSV."""

import csv
import io
import json

from pipeline.assessment.report import tables
from tests.pipeline.assessment.report import samples

REPORT = samples.report()


def test_the_csv_has_every_figure_with_its_window_and_function() -> None:
    rows = list(csv.DictReader(io.StringIO(tables.figures_csv(REPORT).decode())))
    assert len(rows) == len(REPORT.figures) + len(REPORT.drill_figures)
    assert rows[0]["indicator"] == "I-01"
    assert (rows[0]["since"], rows[0]["compute"]) == (str(REPORT.window.since), "coverage:room_coverage")
    assert {row["data"] for row in rows if row["indicator"] == "I-28"} == {"drill"}
    assert [row["split"] for row in rows if row["split"]] == ["label=abuse", "label=sexual"]


def test_a_value_that_is_not_measured_is_an_empty_field() -> None:
    rows = csv.DictReader(io.StringIO(tables.figures_csv(REPORT).decode()))
    assert {row["value"] for row in rows if row["unmeasured"]} == {""}


def test_the_json_has_figures_and_definitions() -> None:
    found = json.loads(tables.figures_json(REPORT))
    assert len(found["operation"]) == len(REPORT.figures)
    assert found["definitions"][0]["id"] == "I-01"
