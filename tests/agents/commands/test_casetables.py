"""Ages and times of cases in words; decisions in one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.commands.casetables import age, decided, utc
from pipeline.contract.messages import Decision
from tests.builders import NOON

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "0 s"), (0.9, "0 s"), (59.9, "59 s"), (60, "1 m"), (3_599, "59 m"), (3_600, "1 h"), (172_800, "2 d")],
)
def test_an_age_has_its_largest_whole_unit(seconds: float, shown: str) -> None:
    assert age(seconds) == shown


@given(st.floats(0, 1e9))
def test_an_age_is_never_more_than_the_seconds_and_less_than_one_unit_below(seconds: float) -> None:
    count, unit = age(seconds).split()
    assert int(count) * UNITS[unit] <= seconds < (int(count) + 1) * UNITS[unit]


def test_times_are_utc() -> None:
    assert utc(NOON + 0.9) == "2026-01-01 12:00:00Z"


@pytest.mark.parametrize(
    ("label", "note", "shown"),
    [
        (None, "", "uphold by amy"),
        ("hate", "", "uphold by amy as hate"),
        ("hate", "two\nlines [red]", "uphold by amy as hate: two\N{REPLACEMENT CHARACTER}lines [red]"),
    ],
)
def test_a_decision_is_one_line_without_markup(label: str | None, note: str, shown: str) -> None:
    made = Decision(id="d", case="c", at=NOON, verdict="uphold", moderator="amy", label=label, note=note)
    assert decided(made).plain == f"2026-01-01 12:00:00Z  {shown}"
