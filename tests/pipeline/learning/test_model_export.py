"""A model in 8 bits gives nearly the same logits as in 32, whatever the size of its inner values."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import BertForSequenceClassification

from pipeline.judge import onnx_classifier
from pipeline.judge.onnx_classifier import OnnxClassifier
from pipeline.learning import model_export
from pipeline.learning.starting_model import wrapped
from tests.training.classifier import tiny

TEXTS = ["good morning", "you pay me now", "早上好", "你给我滚", "no"]
WIDTH = 384
LARGE = 60.0
"""The other values are about 1."""


def exported(model: BertForSequenceClassification, out: Path) -> OnnxClassifier:
    model_export.save_transformers(out / "transformers", model, wrapped(tiny.encoder(TEXTS, WIDTH).tokenizer))
    model_export.convert_to_onnx(out / "transformers", out / "onnx")
    return onnx_classifier.load_onnx(out / "onnx")


def model_with(outlier: float) -> BertForSequenceClassification:
    """A model with one very large inner value, which the next layers ignore."""
    model = tiny.encoder(TEXTS, WIDTH).model
    layer: Any = model.bert.encoder.layer[0]
    with torch.no_grad():
        layer.attention.output.LayerNorm.weight[5] = 0.0
        layer.attention.output.LayerNorm.bias[5] = outlier
        layer.intermediate.dense.weight.normal_(std=0.2)
        layer.intermediate.dense.weight[:, 5] = 0.0
        layer.output.dense.weight.normal_(std=0.2)
        layer.output.dense.bias[5] = -outlier
        model.classifier.weight.normal_(std=0.2)
    return model


def exact(model: BertForSequenceClassification, text: str) -> NDArray[np.float32]:
    ids = torch.tensor([tiny.encoder(TEXTS, WIDTH).tokenizer.encode(text).ids])
    with torch.no_grad():
        found: NDArray[np.float32] = model.eval()(ids, torch.ones_like(ids)).logits[0].numpy()
    return found


@pytest.mark.full
@pytest.mark.parametrize("outlier", [0.0, LARGE])
def test_the_logits_are_close_to_those_in_32_bits(outlier: float, tmp_path: Path) -> None:
    model = model_with(outlier)
    found = exported(model, tmp_path).logits(TEXTS)
    wanted = np.array([exact(model, text) for text in TEXTS])
    assert (found - wanted).std() < 0.08 * wanted.std()


class Twice(nn.Module):
    def forward(self, numbers: Tensor) -> Tensor:
        return torch.relu(numbers * 2)


def test_a_module_is_written_without_the_folders_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "twice.onnx"
    model_export.write_onnx(Twice().eval(), (torch.zeros(3),), path, input_names=["given"], output_names=["twice"])
    [found] = onnxruntime.InferenceSession(path).run(["twice"], {"given": torch.tensor([1.0, -1, 2]).numpy()})
    assert found.tolist() == [2, 0, 4]
    assert str(Path(__file__).parent).encode() not in path.read_bytes()
    assert b".py" not in path.read_bytes()


def test_no_shipped_model_names_a_folder() -> None:
    models = sorted((Path(__file__).parents[3] / "pipeline").rglob("*.onnx"))
    assert len(models) >= 3
    assert [path.name for path in models if b".py" in path.read_bytes()] == []
