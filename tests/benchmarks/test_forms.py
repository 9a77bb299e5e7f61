"""The benchmark of forms compares each form with the bare line, on lines that no model is trained on."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.forms import LIMIT, changes, held, table
from pipeline.judge.classifier import SHIPPED, load_model
from pipeline.judge.model_outputs import Calibrated, Calibration
from pipeline.learning.training_rows import part_of


class Halting(Calibrated):
    """Finds a mark between clauses risky."""

    def logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return np.array([[0.0, 2.0 * ("," in text)] for text in texts])


@pytest.fixture
def model() -> Calibrated:
    return Halting("halting", ("abuse", "risk"), Calibration())


def test_each_form_is_compared_with_the_bare_line(model: Calibrated) -> None:
    change = round(1 / (1 + np.exp(-2.0)) - 0.5, 6)
    found = changes(model, ["Well, I SAID so?", "算了，不说"])
    assert {name: values.round(6).tolist() for name, values in found.items()} == {
        "capitals": [0, 0],
        "full stop": [0, 0],
        "question": [0, 0],
        "as typed": [change, change],
    }


def test_the_worst_line_is_shown(model: Calibrated) -> None:
    texts = ["just words", "WORDS, again."]
    console = Console(width=120, record=True)
    console.print(table("en", texts, {"as typed": changes(model, texts)["as typed"]}))
    cells = [cell.strip() for cell in console.export_text().split("│")]
    assert cells[1:6] == ["as typed", "0.190", "50.0%", "+0.38", "WORDS, again."]


def test_the_lines_are_of_the_validation_side() -> None:
    rows = held(20)
    assert [row.language for row in rows] == ["en"] * 20 + ["zh"] * 20
    assert {part_of(row) for row in rows} == {"validation"}


def test_form_hardly_changes_the_risk_of_the_shipped_model() -> None:
    shipped, lines = load_model(str(SHIPPED)), held(25)
    for language in ("en", "zh"):
        texts = [row.text for row in lines if row.language == language]
        for change in changes(shipped, texts).values():
            assert np.abs(change).mean() < LIMIT
