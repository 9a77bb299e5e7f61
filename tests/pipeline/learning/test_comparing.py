"""A better model is better beyond its interval, and equal models differ by nothing."""

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.judge.calibration import Calibrated, Calibration, Numbers
from pipeline.learning.comparing import ALL, calibration_error, compare
from pipeline.learning.rows import CLEAN, OUTPUTS, Row, positive


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
