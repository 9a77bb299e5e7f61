"""An export takes seconds, so one serves all tests that need any export."""

from pathlib import Path

import pytest
import torch
from transformers import BertForSequenceClassification

from pipeline.learning import model_export
from pipeline.learning.starting_model import wrapped
from tests.training.classifier import tiny

TEXTS = ["good morning", "you pay me now", "早上好"]
WIDTH = 384


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[BertForSequenceClassification, Path]:
    """An untrained model, and the folder that it was exported to."""
    out = tmp_path_factory.mktemp("written")
    tiny_one = tiny.encoder(TEXTS, WIDTH)
    with torch.no_grad():  # the exporter merges equal tensors, and biases start as zeros
        for values in tiny_one.model.parameters():
            values.add_(0.1 * torch.randn_like(values))
    model_export.save_transformers(out / "transformers", tiny_one.model, wrapped(tiny_one.tokenizer))
    model_export.convert_to_onnx(out / "transformers", out / "onnx")
    return tiny_one.model, out / "onnx"
