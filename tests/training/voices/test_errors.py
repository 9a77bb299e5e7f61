"""The equal error rate."""

import numpy as np
import pytest

from training.voices.errors import equal_error


def test_scores_apart_have_no_errors() -> None:
    assert equal_error([-2, -1, 0], [1, 2, 3]) == 0


def test_scores_the_wrong_way_round_are_all_errors() -> None:
    assert equal_error([1, 2, 3], [-2, -1, 0]) == 1


def test_equal_scores_are_chance() -> None:
    assert equal_error([0, 0, 0], [0, 0]) == pytest.approx(0.5)


def test_one_of_four_on_each_side() -> None:
    assert equal_error([0, 1, 2, 5], [3, 6, 7, 8]) == pytest.approx(0.25)


def test_known_distributions() -> None:
    """Two normal distributions that are 2 apart: the rate is that of one at half the distance, 15.9%."""
    random = np.random.default_rng(1)
    rate = equal_error(random.normal(0, 1, 20_000), random.normal(2, 1, 5_000))
    assert rate == pytest.approx(0.1587, abs=0.01)
