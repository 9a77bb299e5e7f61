"""Temperatures undo overconfidence, but only where enough texts are annotated."""

import numpy as np
import pytest

from pipeline.learning.decision_training import FEWEST, temperature


def test_a_temperature_undoes_overconfidence() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 2, 20_000)
    truth = (random.random(20_000) < 1 / (1 + np.exp(-logits))).astype(float)
    assert temperature(logits * 3, truth, np.ones(20_000)) == pytest.approx(3, rel=0.1)
    assert temperature(logits[:10], truth[:10], np.ones(10)) == 1


def test_texts_that_are_not_annotated_have_no_influence() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 6, 2_000)
    truth = (random.random(2_000) < 1 / (1 + np.exp(-logits / 3))).astype(float)
    wrong = np.concatenate([truth, 1 - truth])
    weights = np.concatenate([np.ones(2_000), np.zeros(2_000)])
    assert temperature(np.tile(logits, 2), wrong, weights) == temperature(logits, truth, np.ones(2_000))


def test_few_texts_without_a_mistake_do_not_make_scores_certain() -> None:
    truth = (np.arange(2 * FEWEST) < FEWEST).astype(float)
    logits = np.where(truth == 1, 4.0, -4.0)
    scores = 1 / (1 + np.exp(-logits / temperature(logits, truth, np.ones(2 * FEWEST))))
    assert scores.max() == pytest.approx((FEWEST + 1) / (FEWEST + 2), abs=0.01)


@pytest.mark.parametrize("risky", [FEWEST - 1, 100 - FEWEST + 1])
def test_too_few_texts_of_a_class_leave_the_temperature_at_1(risky: int) -> None:
    truth = (np.arange(100) < risky).astype(float)
    assert temperature(np.where(truth == 1, 9.0, -9.0), truth, np.ones(100)) == 1
