"""Statistics compared with published and closed-form values."""

import math
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.review.quality.statistics import (
    Drawn,
    Estimate,
    Share,
    Spell,
    Survival,
    added,
    divided,
    kappa,
    lower_gamma,
    poisson_interval,
    scaled,
    weighted_share,
    weighted_total,
    wilson,
)

ESTIMATES = st.tuples(st.floats(0.1, 1e6), st.floats(0, 1), st.floats(0, 5)).map(
    lambda parts: Estimate(parts[0], (parts[0] * parts[1], parts[0] * (1 + parts[2])))
)


def test_the_wilson_interval_of_ten_in_twenty() -> None:
    low, high = Share(10, 20).interval
    assert (low, high) == pytest.approx((0.2993, 0.7007), abs=1e-4)
    assert Share(0, 0).interval == (0.0, 1.0)
    assert math.isnan(Share(0, 0).value)


def test_kappa_of_a_table_computed_by_hand() -> None:
    """20 pairs say yes, 15 say no, 5 and 10 differ. So the agreement is 0.7, and 0.5 by chance."""
    pairs = [("y", "y")] * 20 + [("n", "n")] * 15 + [("y", "n")] * 5 + [("n", "y")] * 10
    found = kappa(pairs)
    assert found.n == 50
    assert found.value == pytest.approx(0.4)
    assert found.interval is not None
    # The three sums of equation 13 are 0.088, 0.018 and 0.01, so the error is 0.1245.
    low, high = found.interval
    assert (high - low) / 2 / 1.959964 == pytest.approx(math.sqrt((found_variance()) / 50) / 0.25, rel=1e-6)


def found_variance() -> float:
    """Return the variance for the table above.

    Rows: y 0.5, n 0.5. Columns: y 0.6, n 0.4. Agreement 0.7, by chance 0.5.
    """
    agreed = 0.4 * (0.5 - 1.1 * 0.3) ** 2 + 0.3 * (0.5 - 0.9 * 0.3) ** 2
    differed = 0.3**2 * (0.1 * (0.6 + 0.5) ** 2 + 0.2 * (0.4 + 0.5) ** 2)
    return agreed + differed - (0.7 * 0.5 - 2 * 0.5 + 0.7) ** 2


@pytest.mark.parametrize("pairs", [[], [("y", "y")] * 40])
def test_kappa_is_none_if_chance_alone_agrees(pairs: list[tuple[str, str]]) -> None:
    assert kappa(pairs).value is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=60))
def test_kappa_lies_in_its_interval(pairs: list[tuple[str, str]]) -> None:
    found = kappa(pairs)
    if found.value is not None and found.interval is not None:
        assert -1 <= found.interval[0] <= found.value + 1e-9
        assert found.value - 1e-9 <= found.interval[1] <= 1


def drawn(count: int, weight: float) -> Drawn:
    return Drawn(count=count, weight=weight, size=count, squares=count)


def poisson(count: int, mean: float) -> float:
    """Return the probability of `count` events of a Poisson process."""
    return math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))


def mid_p(count: int, mean: float) -> float:
    """Return the probability of fewer than `count` events, and half of that of `count` events."""
    return math.fsum(poisson(n, mean) for n in range(count)) + poisson(count, mean) / 2


@pytest.mark.parametrize("count", [1, 3, 10, 100])
def test_the_poisson_interval_is_the_mid_p_interval(count: int) -> None:
    low, high = poisson_interval(count)
    assert mid_p(count, high) == pytest.approx(0.025, rel=1e-6)
    assert 1 - mid_p(count, low) == pytest.approx(0.025, rel=1e-6)


def test_the_poisson_interval_of_nothing() -> None:
    """The upper limit solves exp(-x) / 2 = 0.025."""
    assert poisson_interval(0.0) == pytest.approx((0.0, math.log(20)))


@pytest.mark.parametrize("share", [0.9, 1.0, 1.1])
def test_the_approximation_for_large_shapes_is_close(share: float) -> None:
    """At the shape 500 the function is exact, and just above it is not."""
    assert lower_gamma(500.001, 500 * share) == pytest.approx(lower_gamma(500.0, 500 * share), abs=1e-4)


def test_a_total_with_equal_weights() -> None:
    """6 of 100 drawn items are hits. Each item had the probability 1/4, so 18 of 24 hits were not drawn."""
    found = weighted_total([drawn(6, 4.0)], [drawn(100, 4.0)])
    low, high = poisson_interval(18 / 4)
    assert found.value == 24
    assert found.interval == pytest.approx((6 + 4 * low, 6 + 4 * high))


def test_a_total_with_unequal_weights_has_the_mean_weight_of_the_sample() -> None:
    """The weights 10 and 100 each stand for 1,000 items. Outside the sample, the mean weight is 55 (roughly)."""
    sample = [drawn(100, 10.0), drawn(10, 100.0)]
    found = weighted_total([drawn(5, 10.0)], sample)
    unit = (100 * 10 * 9 + 10 * 100 * 99) / (100 * 9 + 10 * 99)
    assert found.value == 50
    assert found.interval[1] == pytest.approx(5 + unit * poisson_interval(45 / unit)[1])


def test_a_total_of_sizes() -> None:
    """Two hits of 3 and 5 seconds, each for 10 hits."""
    hits = [Drawn(count=2, weight=10.0, size=8.0, squares=34.0)]
    found = weighted_total(hits, [drawn(50, 10.0)], spread=34 / 8)
    low, high = poisson_interval(72 / (10 * 34 / 8))
    assert found.value == 80
    assert found.interval == pytest.approx((8 + 42.5 * low, 8 + 42.5 * high))


def test_nothing_found_still_has_an_upper_limit() -> None:
    found = weighted_total([], [drawn(50, 100.0)])
    assert found.value == 0
    assert found.interval == pytest.approx((0.0, 100 * math.log(20)))


def test_a_complete_sample_has_no_interval() -> None:
    assert weighted_total([drawn(7, 1.0)], [drawn(90, 1.0)]) == Estimate(7.0, (7.0, 7.0))
    assert weighted_share([drawn(7, 1.0)], [drawn(3, 1.0)]).interval == pytest.approx((0.7, 0.7))


def test_a_share_with_unequal_weights() -> None:
    """By hand: 60 of 160 are hits. The effective size is 160² / (30 · 2 · 1 + 20 · 5 · 4)."""
    found = weighted_share([drawn(20, 2.0), drawn(4, 5.0)], [drawn(10, 2.0), drawn(16, 5.0)])
    assert found.value == 60 / 160
    assert found.interval == pytest.approx(wilson(60 / 160, 160**2 / (60 + 400)))


def test_known_numbers_keep_the_interval() -> None:
    top, exact = Estimate(10.0, (5.0, 18.0)), Estimate(100.0, (100.0, 100.0))
    assert divided(top, exact).interval == pytest.approx((0.05, 0.18))
    assert added(top, exact) == Estimate(110.0, (105.0, 118.0))
    assert scaled(top, 2.0) == Estimate(20.0, (10.0, 36.0))


def test_a_quotient_by_a_number_that_may_be_zero_has_no_upper_limit() -> None:
    found = divided(Estimate(1.0, (0.5, 2.0)), Estimate(2.0, (0.0, 8.0)))
    assert found.interval[1] == math.inf


@pytest.mark.parametrize("most", [3.0, 3.999, 4.0, 4.001, 8.0])
def test_the_lower_limit_of_a_quotient_is_where_the_difference_may_be_zero(most: float) -> None:
    """The lower limit of top - q * bottom is 0 there, also if the bottom may be more than twice its value."""
    low = divided(Estimate(1.0, (0.5, 2.0)), Estimate(2.0, (1.0, most))).interval[0]
    assert 1.0 - low * 2.0 == pytest.approx(math.hypot(1.0 - 0.5, low * (most - 2.0)))


@given(ESTIMATES, ESTIMATES)
def test_sums_and_quotients_lie_in_their_intervals(one: Estimate, other: Estimate) -> None:
    for found in (added(one, other), divided(one, other)):
        assert found.interval[0] <= found.value * (1 + 1e-9)
        assert found.value <= found.interval[1] * (1 + 1e-9)
        assert found.interval[0] >= -1e-9


@given(st.floats(0, 1), st.floats(1, 1e6))
def test_a_share_lies_in_its_interval(share: float, n: float) -> None:
    low, high = wilson(share, n)
    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1


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


def test_after_the_longest_wait_the_share_that_is_over_is_at_least_its_last_value() -> None:
    assert waits("5 6*").over_after(10) == 0.5


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60), st.sampled_from([0.25, 0.5, 0.95, 1.0]))
def test_without_open_waits_it_is_the_plain_quantile(seconds: list[int], share: float) -> None:
    found = Survival(Spell(one, 1, 0) for one in seconds)
    assert found.quantile(share) == sorted(seconds)[ceil(share * len(seconds) - 1e-9) - 1]
    assert found.over_after(25) == pytest.approx(sum(one <= 25 for one in seconds) / len(seconds))
