"""The figures of indicators as lines of tables."""

from typing import get_args

from msgspec.structs import replace

from pipeline.assessment.catalogue import INDICATORS
from pipeline.console.assessment import indicators_page
from pipeline.console.console_texts import Texts
from pipeline.review.quality.figure import Figure, Unmeasured

SHARE = Figure(indicator="I-02", key="share", unit="share", value=0.99, n=10, threshold=0.98, met=True)
DELAY = Figure(indicator="I-05", key="p95", unit="seconds", value=4.0, n=10, threshold=3.0, met=False)
MEDIAN = Figure(indicator="I-05", key="p50", unit="seconds", value=2.0, n=10)
CHINESE = Figure(indicator="I-05", key="p50", unit="seconds", value=1.0, n=5, split={"language": "zh"})
DRILL = Figure(indicator="I-28", key="seconds", unit="seconds", value=2.0, n=1)


def test_each_indicator_has_its_main_value_and_those_with_a_limit() -> None:
    rows = indicators_page.indicator_rows([SHARE, MEDIAN, DELAY, CHINESE, DRILL], drills=False)
    shown = {(row.indicator.id, row.figure.key): row.state for row in rows}
    assert shown["I-02", "share"] == "met"
    assert shown["I-05", "p50"] == "unlimited"
    assert shown["I-05", "p95"] == "missed"
    assert ("I-05", "p99") not in shown
    assert shown["I-01", "share"] == "unmeasured"
    assert [row.main for row in rows].count(True) == len({row.indicator.id for row in rows})


def test_a_limit_inside_the_interval_is_inconclusive_as_in_the_report() -> None:
    near = replace(SHARE, interval=(0.97, 1.0))
    clear = replace(SHARE, interval=(0.985, 1.0))
    states = [indicators_page.FigureRow(INDICATORS["I-02"], each).state for each in (near, clear)]
    assert states == ["inconclusive", "met"]


def test_test_data_and_operation_are_never_in_one_table() -> None:
    operation, test = (
        {row.indicator.id for row in indicators_page.indicator_rows([DRILL], drills)} for drills in (False, True)
    )
    assert operation | test == INDICATORS.keys()
    assert not operation & test
    assert "I-28" in test


def test_parts_are_grouped_by_split_and_value() -> None:
    parts = indicators_page.parts_of(INDICATORS["I-05"], [SHARE, MEDIAN, CHINESE])
    assert {name: [row.figure for row in rows] for name, rows in parts.items()} == {("language", "p50"): [CHINESE]}


def test_all_values_of_an_indicator() -> None:
    rows = indicators_page.values_of(INDICATORS["I-05"], [DELAY, CHINESE])
    assert [(row.figure.key, row.figure.value) for row in rows] == [("p50", None), ("p95", 4.0), ("p99", None)]
    assert rows[0].figure.unmeasured == "no_data"


def test_every_state_split_and_reason_has_a_text() -> None:
    texts = Texts().catalogue("en")
    groups = {"state": indicators_page.STATES, "by": indicators_page.SPLITS, "reason": get_args(Unmeasured)}
    assert {f"assess.{group}.{name}" for group, names in groups.items() for name in names if name} <= texts.keys()
