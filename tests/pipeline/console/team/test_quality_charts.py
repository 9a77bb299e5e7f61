"""Positions of charts: lines, areas, intervals, and what is not drawn."""

import itertools

import pytest

from pipeline.console.team import quality_charts
from pipeline.review.quality.statistics import Share


@pytest.mark.parametrize(("value", "step"), [(0, 1), (1, 1), (3, 5), (37, 50), (51, 100), (180_000, 200_000)])
def test_steps_are_round(value: float, step: float) -> None:
    assert quality_charts.round_step(value) == step


def test_a_pair_shows_where_more_arrives_than_is_decided() -> None:
    chart = quality_charts.pair([1, 5, 6, 1, 3], [2, 2, 2, 2, 2])
    assert [gap.cases for gap in chart.gaps] == [7, 1]
    assert chart.widest is not None
    assert (chart.widest.cases, chart.widest.top) == (7, 92)
    assert [tick.value for tick in chart.ticks] == [0, 5, 10]
    assert chart.first.startswith("34,")
    assert chart.first.count(",") == 5


def test_counts_of_zero_and_of_a_million_stay_in_the_chart() -> None:
    for most in (0, 1, 1_000_000):
        chart = quality_charts.pair([0, most], [0, 0])
        heights = [float(point.split(",")[1]) for point in chart.first.split()]
        assert all(quality_charts.TOP <= height <= quality_charts.BOTTOM for height in heights)
        assert (len(chart.gaps), chart.widest is None) == (int(most > 0), most == 0)


def test_a_band_does_not_join_over_too_few_data_or_a_change() -> None:
    values, interval = [0.5, 0.6, None, 0.7, 0.8, 0.9], (0.4, 1.0)
    chart = quality_charts.band(values, [interval if value else None for value in values], changes=[3.5])
    assert [part.line.count(",") for part in chart.parts] == [2, 1, 2]
    assert [part.single for part in chart.parts] == [False, True, False]
    assert chart.parts[-1].value == 0.9
    assert len(chart.changes) == 1


def test_a_line_of_weeks_has_a_gap_at_a_week_without_data() -> None:
    chart = quality_charts.spark([0.5, 1.0, None, 0.75, None])
    assert chart is not None
    assert (chart.lines, chart.last) == (("2,21 24.5,3", "69.5,12"), (69.5, 12.0))
    assert quality_charts.spark([None, 0.5]) is None
    same = quality_charts.spark([2.0, 2.0])
    assert same is not None
    assert same.last == (92.0, 12.0)


def test_a_dot_is_bad_only_if_its_whole_interval_is_below_the_limit() -> None:
    shares = [("good", Share(95, 100)), ("unsure", Share(78, 100)), ("bad", Share(60, 100)), ("few", Share(1, 5))]
    chart = quality_charts.dots(shares, 30, 0.8)
    assert [(row.bad, row.value is None) for row in chart.rows] == [
        (False, False),
        (False, False),
        (True, False),
        (False, True),
    ]
    assert all(chart.x.start <= row.low <= row.x <= row.high <= chart.x.end for row in chart.rows)
    assert [round(tick.value, 1) for tick in chart.ticks][-1] == 1.0
    assert quality_charts.dots([], 30, None).limit is None


def test_labels_at_the_end_of_lines_keep_apart() -> None:
    assert quality_charts.apart(100, 100) == (93, 107)
    assert quality_charts.apart(105, 100) == (109.5, 95.5)
    assert quality_charts.apart(20, 100) == (20, 100)


def test_a_bar_tells_an_hour_from_a_week() -> None:
    target = 300.0
    lengths = [quality_charts.waited(seconds, target) for seconds in (0, 150, 300, 3_600, 604_800, 1e12)]
    assert lengths == [0.0, 30.0, 60.0, 74.0, 100.0, 100.0]
    assert quality_charts.waited(86_400, target) < 100


def test_names_of_changes_do_not_overlap() -> None:
    near = quality_charts.marks([100.0, 110.0, 350.0, 600.0])
    assert [mark.left for mark in near] == [False, False, False, True]
    for one, other in itertools.combinations(near, 2):
        assert one.y != other.y or abs(one.x - other.x) >= 2 * quality_charts.NAME
