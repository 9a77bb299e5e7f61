"""Temperatures undo overconfidence, and thresholds leave ordinary talk alone."""

import numpy as np
import pytest

from pipeline.learning.rows import OUTPUTS
from pipeline.learning.temperature import FEWEST, temperature
from training.classifier.calibrate import thresholds


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


def test_thresholds_leave_ordinary_talk_alone() -> None:
    table = np.random.default_rng(1).random((5_000, len(OUTPUTS)))
    found = thresholds(["en"] * len(table), table)
    passed = table[:, :-1] >= [found[label]["en"]["review"] for label in OUTPUTS[:-1]]
    assert passed.any(axis=1).mean() <= 0.01
    assert (table[:, -1] >= found["risk"]["en"]["review"]).mean() <= 0.01


def test_each_language_has_thresholds_of_its_own_talk() -> None:
    table = np.random.default_rng(1).random((4_000, len(OUTPUTS)))
    languages = ["en", "zh"] * 2_000
    table[1::2] /= 2
    found = thresholds(languages, table)
    for label in OUTPUTS:
        assert set(found[label]) == {"en", "zh"}
        english, chinese = found[label]["en"], found[label]["zh"]
        assert 0.5 < english["review"] < english["block"] <= 1
        assert 0 < chinese["review"] < chinese["block"] <= 0.5 + 1e-9


def test_a_threshold_is_never_above_1() -> None:
    found = thresholds(["en"] * 10, np.ones((10, len(OUTPUTS))))
    assert {limit for label in OUTPUTS for limit in found[label]["en"].values()} == {1.0}
