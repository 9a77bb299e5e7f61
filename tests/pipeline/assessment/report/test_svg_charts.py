"""Charts show value, interval, limit and the value before on one scale."""

import re
from xml.etree import ElementTree

from pipeline.assessment.report import svg_charts
from pipeline.review.quality.figure import Figure

SHARE = Figure(
    indicator="I-02",
    key="share",
    unit="share",
    value=0.9,
    interval=(0.85, 0.95),
    threshold=0.98,
    met=False,
    previous=0.5,
)


def places(drawn: str) -> list[float]:
    return [float(each) for each in re.findall(r'(?:x1|x2|cx)="([\d.]+)"', drawn)]


def test_a_chart_is_svg_with_all_marks() -> None:
    drawn = ElementTree.fromstring(svg_charts.interval(SHARE))  # noqa: S314 - our own
    assert [each.tag for each in drawn] == ["line", "line", "line", "circle", "path"]


def test_a_value_that_keeps_its_limit_is_a_dot() -> None:
    kept = Figure(indicator="I-02", key="share", unit="share", value=0.9)
    assert "<path" not in svg_charts.interval(kept)


def test_marks_stay_inside() -> None:
    wild = Figure(indicator="I-15", key="kappa", unit="ratio", value=0.4, interval=(-0.3, 9.0), previous=0.1)
    assert all(0 <= place <= svg_charts.WIDTH for place in places(svg_charts.interval(wild, svg_charts.Scale(1.0))))


def test_no_value_no_chart() -> None:
    assert svg_charts.interval(Figure(indicator="I-02", key="share", unit="share", unmeasured="no_data")) == ""


def test_shares_have_the_scale_from_0_to_1_and_others_that_of_the_largest() -> None:
    assert svg_charts.scale_of([SHARE]) == svg_charts.Scale(1.0)
    slow = Figure(indicator="I-05", key="p95", unit="seconds", value=2.0, threshold=4.0)
    assert svg_charts.scale_of([slow]) == svg_charts.Scale(4.0 * svg_charts.ROOM)
    assert svg_charts.scale_of([Figure(indicator="I-05", key="p95", unit="seconds", value=0.0)]) == svg_charts.Scale(
        1.0
    )
