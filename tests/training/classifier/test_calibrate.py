"""Thresholds leave ordinary talk alone."""

import numpy as np

from pipeline.learning.training_rows import OUTPUTS
from training.classifier.calibrate import thresholds


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
