"""Measures of a ranking agree with their definitions, counted one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.learning.figures import Numbers, auroc, average_precision, interval, recall_at, threshold_at

SCORES = st.lists(st.integers(0, 8).map(lambda eighth: eighth / 8), min_size=1, max_size=30)
CASES = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.integers(0, 8).map(lambda n: n / 8)), max_size=30)


def split(cases: list[tuple[float, float]]) -> tuple[Numbers, Numbers]:
    table = np.array(cases).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@given(CASES)
def test_auroc_is_the_share_of_pairs_in_the_right_order(cases: list[tuple[float, float]]) -> None:
    truth, scores = split(cases)
    pairs = [(risky, clean) for risky in scores[truth == 1] for clean in scores[truth == 0]]
    if pairs:
        right = sum((risky > clean) + (risky == clean) / 2 for risky, clean in pairs)
        assert auroc(truth, scores) == pytest.approx(right / len(pairs))
    else:
        assert np.isnan(auroc(truth, scores))


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=30))
def test_average_precision_is_the_mean_precision_at_each_risky_text(ranking: list[float]) -> None:
    """The texts are ranked from the best to the worst."""
    truth, scores = np.array(ranking), -np.arange(len(ranking), dtype=float)
    precisions = [sum(ranking[: at + 1]) / (at + 1) for at, risky in enumerate(ranking) if risky]
    if precisions:
        assert average_precision(truth, scores) == pytest.approx(sum(precisions) / len(precisions))
    else:
        assert np.isnan(average_precision(truth, scores))


@given(SCORES, st.floats(0, 1, exclude_max=True))
def test_a_threshold_is_the_lowest_that_keeps_the_rate(clean: list[float], rate: float) -> None:
    scores = np.array(clean)
    limit = threshold_at(scores, rate)
    assert (scores >= limit).mean() <= rate
    assert (scores >= np.nextafter(limit, -np.inf)).sum() > int(rate * len(clean))


def test_recall_counts_what_reaches_the_threshold_of_the_clean_texts() -> None:
    truth, scores = split([(1, 0.9), (0, 0.8), (1, 0.8), (0, 0.1), (0, 0.2)])
    assert recall_at(truth, scores, 0.0) == 0.5
    assert recall_at(truth, scores, 0.4) == 1


@pytest.mark.parametrize("only", [0.0, 1.0])
def test_one_class_alone_has_no_recall(only: float) -> None:
    assert np.isnan(recall_at(np.full(3, only), np.arange(3.0), 0.1))


def test_the_interval_holds_the_figure_and_shrinks_with_more_texts() -> None:
    random = np.random.default_rng(3)

    def width(count: int) -> float:
        truth = np.repeat([0.0, 1.0], count)
        scores = random.normal(truth, 1.0)
        low, high = interval(auroc, truth, scores)
        assert low < auroc(truth, scores) < high
        return high - low

    assert width(50) > 2 * width(1_000)


def test_the_interval_keeps_both_classes() -> None:
    low, high = interval(auroc, np.array([1.0, *[0.0] * 60]), np.arange(61.0))
    assert (low, high) == (0.0, 0.0)
