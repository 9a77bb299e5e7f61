"""A `transformers` folder is run as it was saved, and what is no trained classifier is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertForSequenceClassification

from pipeline.base.errors import ConfigError
from pipeline.judge import transformer
from pipeline.learning.model import wrapped
from tests.training.classifier import tiny

TEXTS = ["good morning", "you", "早上好 good morning you pay me now", "", "pay me now"]


@pytest.fixture
def saved(tmp_path: Path) -> tuple[BertForSequenceClassification, Path]:
    made = tiny.encoder([*TEXTS])
    made.model.save_pretrained(tmp_path / "tiny")
    wrapped(made.tokenizer).save_pretrained(tmp_path / "tiny")
    return made.model, tmp_path / "tiny"


def change(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_each_text_gets_its_own_logits_whatever_the_batch(
    saved: tuple[BertForSequenceClassification, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transformer, "BATCH", 2)
    model, folder = saved
    loaded = transformer.load_transformer(str(folder))
    found = loaded.logits(TEXTS)
    assert found.shape == (len(TEXTS), len(loaded.labels))
    for text, row in zip(TEXTS, found, strict=True):
        np.testing.assert_allclose(loaded.logits([text])[0], row, atol=1e-5)
    ids = torch.tensor([wrapped(tiny.encoder(TEXTS).tokenizer)("good morning")["input_ids"]])
    with torch.inference_mode():
        np.testing.assert_allclose(found[0], model.eval()(ids).logits[0].numpy(), atol=1e-5)
    assert loaded.logits([]).shape == (0, len(loaded.labels))


@pytest.mark.parametrize(
    ("problem", "exclusive"),
    [("multi_label_classification", False), ("single_label_classification", True), (None, True)],
)
def test_the_problem_type_says_whether_labels_exclude_each_other(
    saved: tuple[BertForSequenceClassification, Path], problem: str | None, exclusive: bool
) -> None:
    change(saved[1], problem_type=problem)
    assert transformer.load_transformer(str(saved[1])).exclusive == exclusive


def test_a_regression_is_refused(saved: tuple[BertForSequenceClassification, Path]) -> None:
    change(saved[1], problem_type="regression")
    with pytest.raises(ConfigError, match="a regression model has no probabilities"):
        transformer.load_transformer(str(saved[1]))


def test_an_encoder_without_a_trained_head_is_refused(saved: tuple[BertForSequenceClassification, Path]) -> None:
    model, folder = saved
    model.bert.save_pretrained(folder)
    with pytest.raises(ConfigError, match="weights of its head are missing"):
        transformer.load_transformer(str(folder))


def test_the_name_changes_with_weights_and_calibration(saved: tuple[BertForSequenceClassification, Path]) -> None:
    model, folder = saved
    names = [transformer.load_transformer(str(folder)).name]
    (folder / "calibration.json").write_text('{"temperature": {"risk": 2}}')
    names.append(transformer.load_transformer(str(folder)).name)
    model.classifier.bias.data += 1
    model.save_pretrained(folder)
    names.append(transformer.load_transformer(str(folder)).name)
    assert len(set(names)) == 3
    assert all(name.startswith("tiny@") for name in names)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"judge.model: {tmp_path} cannot be loaded"):
        transformer.load_transformer(str(tmp_path))
