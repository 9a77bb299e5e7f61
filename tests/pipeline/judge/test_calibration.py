"""Temperatures flatten probabilities, label by label, and a broken file is named."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import ConfigError
from pipeline.judge import calibration
from pipeline.judge.calibration import Calibrated, Calibration, Numbers, sigmoid

LABELS = ("abuse", "hate", "risk")
ROWS = st.lists(st.lists(st.floats(-2_000, 2_000), min_size=3, max_size=3), min_size=1, max_size=5)


class Fixed(Calibrated):
    """A model with the given logits."""

    def __init__(self, rows: list[list[float]], temperature: dict[str, float], exclusive: bool = False) -> None:
        super().__init__("fixed@1", LABELS, Calibration(temperature), exclusive)
        self._rows = np.array(rows)

    def logits(self, texts: Sequence[str]) -> Numbers:
        return self._rows[: len(texts)]


@given(ROWS)
def test_each_label_has_its_own_temperature_and_1_without_one(rows: list[list[float]]) -> None:
    found = Fixed(rows, {"hate": 4.0, "unknown": 9.0}).probabilities(["text"] * len(rows))
    np.testing.assert_array_equal(found, sigmoid(np.array(rows) / [1.0, 4.0, 1.0]))


@given(ROWS)
def test_probabilities_are_between_0_and_1_and_keep_the_order(rows: list[list[float]]) -> None:
    logits = np.array(rows).ravel()
    found = sigmoid(logits)
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found[np.argsort(logits)]) >= 0).all()
    np.testing.assert_allclose(found + sigmoid(-logits), 1)


@given(ROWS)
def test_labels_that_exclude_each_other_add_up_to_1(rows: list[list[float]]) -> None:
    found = Fixed(rows, {"hate": 2.0}, exclusive=True).probabilities(["text"] * len(rows))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    best = (np.array(rows) / [1.0, 2.0, 1.0]).max(axis=1, keepdims=True)
    assert (found[np.array(rows) / [1.0, 2.0, 1.0] == best] >= 1 / 3 - 1e-9).all()


def test_a_folder_without_the_file_changes_no_logit(tmp_path: Path) -> None:
    assert calibration.load_calibration(tmp_path) == Calibration({})


def test_the_file_gives_the_temperatures(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text(json.dumps({"temperature": {"risk": 1.5}}))
    assert calibration.load_calibration(tmp_path).temperature == {"risk": 1.5}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"temperature": {"risk": 0}}', "the temperature of risk is not above 0"),
        ('{"temperature": {"hate": 1, "risk": -2}}', "the temperature of risk is not above 0"),
        ('{"temperature": 1}', "Expected `object`"),
        ('{"temperatures": {}}', "unknown field `temperatures`"),
        ("{", "truncated"),
    ],
)
def test_a_broken_file_is_named_with_the_reason(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "calibration.json").write_text(content)
    with pytest.raises(ConfigError, match=rf"calibration\.json: .*{said}"):
        calibration.load_calibration(tmp_path)
