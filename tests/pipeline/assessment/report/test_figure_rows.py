"""Figures become rows of tables."""

import pytest
from markupsafe import Markup
from msgspec.structs import replace

from pipeline.assessment.report import figure_rows, html
from pipeline.assessment.report.figure_rows import ReportRows
from pipeline.assessment.report.wording import Language
from pipeline.review.quality.figure import Figure, Unmeasured
from tests.pipeline.assessment.report import samples

REPORT = samples.report()


@pytest.mark.parametrize(
    ("value", "interval", "met", "state"),
    [
        (0.99, (0.985, 0.995), True, "met"),
        (0.99, (0.97, 0.995), True, "inconclusive"),
        (0.9, (0.8, 0.95), False, "missed"),
        (0.97, (0.9, 0.99), False, "inconclusive"),
        (0.9, None, False, "missed"),
        (0.9, None, None, "none"),
    ],
)
def test_a_limit_inside_the_interval_is_inconclusive(
    value: float, interval: tuple[float, float] | None, met: bool | None, state: str
) -> None:
    threshold = None if met is None else 0.98
    figure = Figure(
        indicator="I-02", key="share", unit="share", value=value, interval=interval, threshold=threshold, met=met
    )
    assert figure_rows.state(figure) == state


def test_an_indicator_without_figures_has_a_row() -> None:
    [row] = ReportRows(REPORT, "zh").whole((), ["I-12"])
    assert (row.name, row.value, row.reason) == ("召回率", "", "本版本未计算")


def test_a_figure_without_a_value_says_why() -> None:
    figure = Figure(indicator="I-01", key="share", unit="share", unmeasured="needs_ledger")
    [row] = ReportRows(REPORT, "en").whole([figure], ["I-01"])
    assert (row.value, row.reason, row.chart) == ("", "needs the app's room ledger", "")


@pytest.mark.parametrize(
    ("language", "value", "caveat"),
    [
        ("en", "at least 71%", "without reviewers' errors: needs second opinions"),
        ("zh", "至少 71%", "未计入审核误判：需要盲复审"),
    ],
)
def test_a_limit_and_what_the_interval_lacks_stand_beside_the_number(
    language: Language, value: str, caveat: str
) -> None:
    """In the tables of all speech, of its parts, and in the page."""
    figures = [
        Figure(
            indicator="I-12", key="share", unit="share", value=0.71, interval=(0.71, 1), bound="at_least",
            caveat="reviewed_once", split={"label": label} if label else {},
        )
        for label in ("", "abuse", "sexual")
    ]  # fmt: skip
    made = ReportRows(REPORT, language)
    [row], [table] = made.whole(figures, ["I-12"]), made.parts(figures, ["I-12"])
    [cell] = table.rows[0].cells
    assert cell
    assert {(one.value, one.caveat) for one in (row, cell)} == {(value, caveat)}
    page = html.transparency_page(replace(REPORT, figures=tuple(figures)), language)
    assert page.count(value) == 3
    assert page.count(Markup.escape(caveat)) == 3


def test_splits_are_grouped_and_named() -> None:
    [table] = ReportRows(REPORT, "zh").parts(REPORT.figures, ["I-10"])
    assert (table.by, [row.name for row in table.rows]) == ("按标签", ["谩骂侮辱", "色情低俗"])
    assert table.columns == ("精确率",)
    [cell] = table.rows[0].cells
    assert cell
    assert (cell.value, cell.n) == ("71%", "100")
    assert table.rows[0].chart


def test_the_values_of_an_indicator_stand_beside_each_other() -> None:
    def of(label: str, key: str, value: float | None, reason: Unmeasured = "") -> Figure:
        return Figure(
            indicator="I-06", key=key, split={"label": label}, unit="seconds", value=value, unmeasured=reason, n=9
        )

    figures = [
        of("abuse", "p50", 60.0),
        of("abuse", "in_time", 0.5),
        of("abuse", "p95", 400.0),
        of("sexual", "p50", 60.0),
        of("sexual", "p95", None, "censored"),
    ]
    [table] = ReportRows(REPORT, "en").parts(figures, ["I-06"])
    assert table.columns == ("median", "decided within the target time", "95th percentile")
    assert [cell and (cell.value or cell.reason) for cell in table.rows[1].cells] == [
        "60 s",
        None,
        "longer than all times that were observed",
    ]


def test_the_limit_shows_the_better_direction() -> None:
    figure = Figure(indicator="I-03", key="share", unit="share", value=0.1, threshold=0.005, met=False, n=4_000)
    [row] = ReportRows(REPORT, "en").whole([figure], ["I-03"])
    assert (row.limit, row.n, row.state) == ("≤ 0.5%", "4,000", "missed")


def test_a_single_part_or_parts_without_values_have_no_table() -> None:
    one = Figure(indicator="I-10", key="share", split={"language": "zh"}, unit="share", value=0.5)
    none = [
        Figure(indicator="I-10", key="share", split={"label": label}, unit="share", unmeasured="no_data")
        for label in ("abuse", "sexual")
    ]
    assert ReportRows(REPORT, "en").parts([one, *none], ["I-10"]) == []
