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


class Shouting(Calibrated):
    """Finds capitals a little risky, and full stops very risky."""

    def logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        risk = [any(map(str.isupper, text)) + 2.0 * text.endswith((".", "。")) for text in texts]
        return np.array([[0.0, value] for value in risk])


@pytest.fixture
def model() -> Calibrated:
    return Shouting("shouting", ("abuse", "risk"), Calibration())


def test_each_form_is_compared_with_the_bare_line(model: Calibrated) -> None:
    one, two, both = (1 / (1 + np.exp(-value)) - 0.5 for value in (1.0, 2.0, 3.0))
    found = changes(model, ["Well, I said so.", "算了，不说"])
    assert {name: values.round(6).tolist() for name, values in found.items()} == {
        "capitals": [round(one, 6), 0],
        "mark at the end": [round(two, 6)] * 2,
        "both": [round(both, 6), round(two, 6)],
        "as a question": [round(one, 6), 0],
        "as typed": [round(both, 6), 0],
    }


def test_the_worst_line_is_shown(model: Calibrated) -> None:
    texts = ["just words", "WORDS again."]
    console = Console(width=120, record=True)
    console.print(table("en", texts, {"as typed": changes(model, texts)["as typed"]}))
    cells = [cell.strip() for cell in console.export_text().split("│")]
    assert cells[1:6] == ["as typed", "0.226", "50.0%", "+0.45", "WORDS again."]


def test_the_lines_are_of_the_validation_side() -> None:
    rows = held(20)
    assert [row.language for row in rows] == ["en"] * 20 + ["zh"] * 20
    assert {part_of(row) for row in rows} == {"validation"}


def test_form_hardly_changes_the_risk_of_the_shipped_model() -> None:
    shipped, lines = load_model(str(SHIPPED)), held(25)
    for language in ("en", "zh"):
        texts = [row.text for row in lines if row.language == language]
        for name, change in changes(shipped, texts).items():
            # This model learned before the noise set question marks. The next one must pass without the exception.
            assert np.abs(change).mean() < LIMIT or name == "as a question"
