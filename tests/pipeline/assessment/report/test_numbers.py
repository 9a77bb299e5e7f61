"""Numbers as text."""

import pytest

from pipeline.assessment.report import numbers
from pipeline.assessment.report.numbers import Language
from pipeline.review.quality.figure import Unit


@pytest.mark.parametrize(
    ("value", "unit", "language", "text"),
    [
        (0.992, "share", "en", "99.2%"),
        (1.0, "share", "zh", "100%"),
        (0.0, "share", "en", "0%"),
        (0.9999, "share", "en", "99.99%"),
        (0.0031, "share", "en", "0.31%"),
        (0.0000001, "share", "en", "< 0.001%"),
        (0.9999999, "share", "en", "> 99.999%"),
        (2.4, "seconds", "zh", "2.4 秒"),
        (0.25, "seconds", "en", "250 ms"),
        (0.0, "seconds", "en", "0 s"),
        (900.0, "seconds", "en", "15 min"),
        (183.0, "days", "zh", "183 天"),
        (1_204_880.0, "count", "en", "1,204,880"),
        (0.7812, "ratio", "en", "0.781"),
        (-0.25, "ratio", "en", "\u22120.25"),
        (31_400_000.5, "count", "en", "31.4 M"),
        (31_400_000.0, "count", "zh", "3,140 万"),
        (1_234_567_890.0, "count", "en", "1,235 M"),
    ],
)
def test_a_value_has_its_unit(value: float, unit: Unit, language: Language, text: str) -> None:
    assert numbers.shown(value, unit, language) == text


def test_an_interval_has_both_bounds() -> None:
    assert numbers.interval((0.984, 0.99), "share", "en") == "98.4–99%"
    assert numbers.interval((31.0, 47.0), "seconds", "zh") == "31–47 秒"
    assert numbers.interval((0.5, 2.0), "seconds", "en") == "500 ms – 2 s"
    assert numbers.interval((1.0, 2.5), "ratio", "en") == "1–2.5"


def test_times_are_utc() -> None:
    assert (numbers.moment(0), numbers.day(0), numbers.iso(0)) == (
        "1970-01-01 00:00",
        "1970-01-01",
        "1970-01-01T00:00:00Z",
    )
