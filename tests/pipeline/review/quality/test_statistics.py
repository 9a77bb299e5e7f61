"""Statistics compared with published and closed-form values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.review.quality.statistics import Share, kappa, none_found, weighted_count


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


def poisson(most: int, mean: float) -> float:
    """Return the probability of at most `most` events of a Poisson process."""
    return math.fsum(math.exp(n * math.log(mean) - mean - math.lgamma(n + 1)) for n in range(most + 1))


@pytest.mark.parametrize("count", [1, 3, 10, 100])
def test_equal_weights_give_the_exact_poisson_limits(count: int) -> None:
    low, high = weighted_count([1.0] * count)
    assert poisson(count, high) == pytest.approx(0.025, rel=1e-6)
    assert 1 - poisson(count - 1, low) == pytest.approx(0.025, rel=1e-6)
    assert weighted_count([50.0] * count) == pytest.approx((low * 50, high * 50))


def test_the_interval_when_nothing_is_found() -> None:
    assert none_found(100.0) == pytest.approx((0.0, 368.888), abs=1e-3)
