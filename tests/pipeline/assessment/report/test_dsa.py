"""The DSA tables have the Commission's columns and rows, and their numbers add up."""

import csv
import io

import pytest

from pipeline.assessment.report import dsa
from pipeline.assessment.report.content import AssessmentReport, Restrictions
from pipeline.judge import labels
from pipeline.review.quality.figure import Figure
from tests.pipeline.assessment.report import samples

MADE = "Number of measures taken at the provider's own initiative"
CATEGORY = "Category of incompatibility with the provider's terms and conditions"


def figure(indicator: str, key: str, value: float, **changes: object) -> Figure:
    unit = "seconds" if key == "p50" else "count" if key == "received" else "share"
    return Figure(indicator=indicator, key=key, unit=unit, value=value, **changes)  # type: ignore[arg-type]


@pytest.fixture
def report() -> AssessmentReport:
    restrictions = (
        Restrictions(label="abuse", found_by="machine", action="mute", n=5),
        Restrictions(label="abuse", found_by="machine", action="warn", n=70),
        Restrictions(label="fraud", found_by="audit", action="close_room", n=2),
        Restrictions(label="", found_by="audit", action="remove", n=1),
        Restrictions(label="sexual", found_by="report", action="mute", n=3),
    )
    figures = (
        figure("I-19", "received", 9, n=9),
        figure("I-19", "received", 4, split={"label": "fraud"}, n=4),
        figure("I-19", "received", 5, split={"label": "sexual"}, n=5),
        figure("I-19", "p50", 5_400.0, n=9),
        figure("I-20", "received", 10, n=10),
        figure("I-20", "reversed", 0.25, n=8),
        figure("I-20", "p50", 7_200.0, n=10),
        figure("I-12", "share", 0.75, n=40, interval=(0.6, 0.875)),
    )
    return samples.report(restrictions=restrictions, figures=figures)


def rows(report: AssessmentReport, name: str) -> list[dict[str, str]]:
    found = csv.DictReader(io.StringIO(dsa.tables(report)[name].decode(), newline=""))
    return [{column.strip(): value for column, value in row.items()} for row in found]


def by(found: list[dict[str, str]], *columns: str) -> dict[tuple[str, ...], dict[str, str]]:
    return {tuple(row[column].strip() for column in columns): row for row in found}


def test_there_are_the_eleven_parts_with_the_columns_of_the_templates(report: AssessmentReport) -> None:
    made = dsa.tables(report)
    assert sorted(name.partition("_")[0] for name in made) == sorted(str(part) for part in range(1, 12))
    for name, data in made.items():
        template = (dsa.FOLDER / name).read_text("utf-8").splitlines()[0]
        assert data.decode().partition("\r\n")[0] == template, name
        assert b"YYYY" not in data, name
        assert b"[...]" not in data, name


def test_measures_are_counted_by_category_and_restriction(report: AssessmentReport) -> None:
    found = by(rows(report, "6_own_initiative_TC.csv"), CATEGORY, 'Description of the sub-category "Other"')
    assert found["TOTAL", ""][MADE] == "8", "warnings and measures after a notice do not count"
    abuse = found["KEYWORD_CYBER_HARASSMENT", ""]
    assert (abuse[MADE], abuse["Provision of the service Suspension"], abuse["Visibility restriction Disable"]) == (
        "5",
        "5",
        "0",
    )
    assert found["STATEMENT_CATEGORY_CYBER_VIOLENCE", ""][MADE] == "5"
    assert found["KEYWORD_OTHER", "fraud"]["Visibility restriction Disable"] == "2"
    assert found["KEYWORD_OTHER", "Without a label"][MADE] == "1"
    assert found["TOTAL", ""]["Monetary restriction Other"] == "", "cannot be imposed"


def test_a_category_is_the_sum_of_its_keywords(report: AssessmentReport) -> None:
    for name, column in (("6_own_initiative_TC.csv", MADE), ("4_notices.csv", "Number of notices received")):
        sums: dict[str, int] = {}
        own: dict[str, int] = {}
        category = ""
        for row in rows(report, name):
            code = row[CATEGORY if CATEGORY in row else "Category of illegal content"]
            if code.startswith("KEYWORD"):
                sums[category] = sums.get(category, 0) + int(row[column])
            else:
                category, own[code] = code, int(row[column])
        assert {code: own[code] for code in sums} == sums
        assert own["TOTAL"] == sum(own.values()) - own["TOTAL"]


def test_a_notice_about_a_rule_alone_has_no_category_of_illegal_content(report: AssessmentReport) -> None:
    found = by(rows(report, "4_notices.csv"), "Category of illegal content")
    total, rule = found["TOTAL",], found["STATEMENT_CATEGORY_NOT_SPECIFIED_NOTICE",]
    assert (total["Number of notices received"], total["Median time to take action"]) == ("9", "1.5")
    assert rule["Number of notices received"] == "5"
    assert rule["Number of actions taken on the basis of the terms and conditions of the service"] == "3"


def test_complaints_are_appeals(report: AssessmentReport) -> None:
    found = by(rows(report, "7_appeals_and_recidivism.csv"), "Indicator", "Scope")
    own = "Number of complaints submitted to the internal-complaints mechanism"
    scopes = ("Total number", "Decisions upheld", "Decisions reversed", "Median time")
    assert [found[own, scope]["Value"] for scope in scopes] == ["10", "6", "2", "2"]
    disputes = "Number of disputes submitted to out-of-court dispute settlement bodies"
    assert found[disputes, "Total number"]["Value"] == ""


def test_accuracy_is_that_of_the_flags(report: AssessmentReport) -> None:
    found = by(rows(report, "8_automated_means.csv"), "Indicator", "Scope")
    recall = found["Accuracy of the automated means - Recall", "Total number"]
    assert recall["Value"] == "0.75"
    assert recall["Contextual Information"].endswith("95% interval 0.6 to 0.875, n = 40")
    assert found["Accuracy of the automated means - Precision", "Total number"]["Value"] == "", "not measured"
    assert found["Number of measures not taken by automated means", "Total number"]["Value"] == "11"


def test_every_label_has_a_category_that_exists() -> None:
    codes = {row[2] for row in csv.reader(io.StringIO((dsa.FOLDER / "2_categories_names.csv").read_text("utf-8")))}
    assert labels.load_labels().labels.keys() == dsa.mapped().labels.keys()
    for category, keyword in dsa.mapped().labels.values():
        assert {f"STATEMENT_CATEGORY_{category}", f"KEYWORD_{keyword}"} <= codes
