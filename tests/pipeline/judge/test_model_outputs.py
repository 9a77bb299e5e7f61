"""A foreign model's labels become ours: by sum if they exclude each other, else by the highest."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import ConfigError
from pipeline.judge import model_outputs
from pipeline.judge.model_outputs import Calibrated, Calibration, MappedClassifier, Numbers, Outputs, sigmoid

THEIRS = ("toxic", "insult", "fine")
MAP = "toxic: [abuse, hate]\ninsult: abuse\nfine: null\n"


class Foreign(Calibrated):
    """A model with labels of its own, and the same logits for each text."""

    def __init__(self, logits: Sequence[float], labels: Sequence[str] = THEIRS, exclusive: bool = False) -> None:
        super().__init__("foreign@1", labels, Calibration(), exclusive)
        self._logits = logits

    def logits(self, texts: Sequence[str]) -> Numbers:
        return np.array([self._logits] * len(texts)).reshape(-1, len(self.labels))


def outputs(folder: Path, text: str = MAP, theirs: Sequence[str] = THEIRS) -> Outputs:
    path = folder / "map.yaml"
    path.write_text(text, "utf-8")
    return model_outputs.load_label_map(path, theirs, "foreign")


def scores(model: Foreign, found: Outputs) -> dict[str, float]:
    mapped = MappedClassifier(model, found)
    (first, second) = mapped.classify(["one", "two"], ["en", "zh"])
    assert first == second
    assert set(first) == {*mapped.labels, "risk"}
    return first


LOGITS = st.lists(st.floats(-20, 20), min_size=3, max_size=3)


@given(LOGITS)
def test_independent_labels_give_the_highest_probability(logits: list[float]) -> None:
    found = scores(Foreign(logits), {"toxic": ("abuse", "hate"), "insult": ("abuse",), "fine": ()})
    toxic, insult, _ = (1 / (1 + np.exp(-logit)) for logit in logits)
    assert found == pytest.approx({"abuse": max(toxic, insult), "hate": toxic, "risk": max(toxic, insult)})


@given(LOGITS)
def test_labels_that_exclude_each_other_give_the_sum(logits: list[float]) -> None:
    model = Foreign(logits, exclusive=True)
    found = scores(model, {"toxic": ("abuse", "hate"), "insult": ("abuse",), "fine": ()})
    toxic, insult, _ = model.probabilities(["one"])[0]
    assert found == pytest.approx({"abuse": toxic + insult, "hate": toxic, "risk": toxic + insult})
    assert all(0 <= score <= 1 for score in found.values())


def test_a_models_own_risk_is_kept() -> None:
    found = scores(Foreign([3.0, 0.0, -3.0]), {"toxic": ("abuse",), "insult": (), "fine": ("risk",)})
    assert found["risk"] == pytest.approx(1 / (1 + np.exp(3)))


def test_no_texts_have_no_scores() -> None:
    assert MappedClassifier(Foreign([0, 0, 0]), dict.fromkeys(THEIRS, ("abuse",))).classify([], []) == []


def test_a_line_names_one_label_or_several_or_none(tmp_path: Path) -> None:
    assert outputs(tmp_path) == {"toxic": ("abuse", "hate"), "insult": ("abuse",), "fine": ()}


def test_a_line_for_a_label_that_the_model_does_not_have_is_left_out(tmp_path: Path) -> None:
    """One file may serve several models. The label must not get scores from no column."""
    found = outputs(tmp_path, MAP + "threat: violence\n")
    assert set(scores(Foreign([1, 2, 3]), found)) == {"abuse", "hate", "risk"}


def test_one_line_may_stand_for_all_other_labels(tmp_path: Path) -> None:
    assert outputs(tmp_path, "toxic: hate\n'*': null\n") == {"toxic": ("hate",), "insult": (), "fine": ()}
    assert outputs(tmp_path, "fine: null\n'*': abuse\n") == {"toxic": ("abuse",), "insult": ("abuse",), "fine": ()}


def test_without_a_file_the_models_labels_must_be_ours() -> None:
    assert model_outputs.load_label_map(None, ["abuse", "risk"], "foreign") == {"abuse": ("abuse",), "risk": ("risk",)}
    with pytest.raises(ConfigError, match=r"foreign: unknown label toxic, insult, fine.*judge\.label_map"):
        model_outputs.load_label_map(None, THEIRS, "foreign")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("toxic: abuse\n", "no line for insult, fine of foreign"),
        ("", "no line for toxic, insult, fine"),
        (MAP.replace("hate", "rude"), "unknown label rude"),
        ("toxic: null\ninsult: []\nfine: null\n", "every label maps to null"),
        ("'*': null\n", "every label maps to null"),
        ("toxic: abuse\nInsult: hate\n'*': null\n", "foreign has no label 'Insult'.*Did you mean 'insult'"),
        (MAP.replace("null", "7"), "Expected"),
        ("[toxic]", "Expected"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"map\.yaml: .*{said}"):
        outputs(tmp_path, text)


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
    assert model_outputs.load_calibration(tmp_path) == Calibration({})


def test_the_file_gives_the_temperatures(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text(json.dumps({"temperature": {"risk": 1.5}}))
    assert model_outputs.load_calibration(tmp_path).temperature == {"risk": 1.5}


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
        model_outputs.load_calibration(tmp_path)
