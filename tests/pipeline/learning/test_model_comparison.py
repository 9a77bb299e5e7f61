"""A better model is better beyond its interval, and equal models differ by nothing."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.judge.model_outputs import Calibrated, Calibration, Numbers
from pipeline.learning.model_comparison import (
    ALL,
    auroc,
    average_precision,
    calibration_error,
    compare,
    interval,
    recall_at,
    threshold_at,
)
from pipeline.learning.training_rows import CLEAN, OUTPUTS, Row, positive


class Noisy(Calibrated):
    """Knows which texts are risky, with an error. With an error of 2, its scores are probabilities."""

    def __init__(self, error: float, seed: int) -> None:
        super().__init__(f"noisy@{seed}", OUTPUTS, Calibration())
        self._error, self._seed = error, seed

    def logits(self, texts: Sequence[str]) -> Numbers:
        truth = np.array([text.startswith("risky") for text in texts])[:, None]
        return np.random.default_rng(self._seed).normal(4.0 * truth - 2, self._error, (len(texts), len(OUTPUTS)))


ROWS = [
    Row(f"{kind} {at}", "zh" if at % 3 else "en", positive("abuse") if kind == "risky" else CLEAN)
    for at in range(120)
    for kind in ("risky", "clean")
]


def test_a_better_model_is_better_beyond_the_interval() -> None:
    found = {(each.what, each.label, each.language): each for each in compare(Noisy(4, 1), Noisy(2, 2), ROWS, 1)}
    recall = found["recall", "abuse", ALL]
    assert recall.change.interval[0] > 0
    assert recall.new.interval[0] <= recall.new.value <= recall.new.interval[1]
    assert (recall.risky, recall.clean) == (120, 120)
    assert ("recall", "risk", "en") in found
    assert ("recall", "hate", ALL) not in found, "no case has this label"
    assert found["calibration error", "risk", ALL].change.value < 0


def test_one_language_has_its_figures_once() -> None:
    english = [row for row in ROWS if row.language == "en"]
    assert {each.language for each in compare(Noisy(4, 1), Noisy(2, 2), english, 1)} == {ALL}


def test_equal_models_do_not_differ() -> None:
    for each in compare(Noisy(2, 1), Noisy(2, 1), ROWS, 1):
        assert (each.change.value, *each.change.interval) == (0, 0, 0)


def test_no_cases_give_no_figures() -> None:
    assert compare(Noisy(1, 1), Noisy(1, 1), [], 1) == []
    assert compare(Noisy(1, 1), Noisy(1, 1), ROWS[:10], 1) == []


def test_the_calibration_error_is_0_for_true_probabilities() -> None:
    random = np.random.default_rng(1)
    scores = random.random(100_000)
    truth = (random.random(100_000) < scores).astype(float)
    assert calibration_error(truth, scores) == pytest.approx(0, abs=0.01)
    assert calibration_error(np.zeros(100), np.full(100, 0.3)) == pytest.approx(0.3)
    assert calibration_error(np.ones(10), np.ones(10)) == 0


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
