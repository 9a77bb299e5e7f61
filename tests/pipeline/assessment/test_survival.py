"""The estimate equals plain quantiles without open waits, and a textbook example with them."""

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.assessment.survival import Spell, Survival

TREATED = "6* 6 6 6 7 9* 10* 10 11* 13 16 17* 19* 20* 22 23 25* 32* 32* 34* 35*"
"""Weeks of remission of 21 patients (Freireich and others, Blood 21, 1963). A star: still in remission."""


def waits(text: str) -> Survival:
    return Survival(
        Spell(int(one.rstrip("*")), 0, 1) if one.endswith("*") else Spell(int(one), 1, 0) for one in text.split()
    )


def test_a_published_example() -> None:
    treated = waits(TREATED)
    assert (treated.n, treated.open, treated.quantile(0.5)) == (21, 12, 23.0)
    published = {5: 1.0, 6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448, 35: 0.448}
    for weeks, remaining in published.items():
        over = treated.over_after(weeks)
        assert over is not None
        assert 1 - over == pytest.approx(remaining, abs=5e-4)


def test_a_quantile_that_no_wait_has_reached_is_not_known() -> None:
    assert waits(TREATED).quantile(0.95) is None
    assert Survival([]).quantile(0.5) is None


def test_waits_shorter_than_the_time_say_nothing_if_all_are_open() -> None:
    assert waits("5* 6*").over_after(10) is None
    assert waits("5* 10*").over_after(10) == 0.0
    assert Survival([]).over_after(10) is None


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60), st.sampled_from([0.25, 0.5, 0.95, 1.0]))
def test_without_open_waits_it_is_the_plain_quantile(seconds: list[int], share: float) -> None:
    found = Survival(Spell(one, 1, 0) for one in seconds)
    assert found.quantile(share) == sorted(seconds)[ceil(share * len(seconds) - 1e-9) - 1]
    assert found.over_after(25) == pytest.approx(sum(one <= 25 for one in seconds) / len(seconds))
