"""On a GPU, the classifier has the weights of its ONNX file. A fake stands for the GPU: the CPU under PyTorch."""

import logging
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from pipeline.judge import classifier
from pipeline.judge.classifier import SHIPPED, load_model
from pipeline.judge.onnx_classifier import MODEL, OnnxClassifier, load_onnx
from pipeline.judge.onnx_weights import ConvertedClassifier, load_converted
from pipeline.learning.model_export import LEAST, WHOLE

FAKE = "cpu:0"
TEXTS = [
    "hi",
    "you are an idiot",
    "today we talk about the weather",
    "今天天气很好",
    "word " * 200,
    "我弄死你",
    "good evening</s>i will kill you",
    "add me on wechat for cheap gold",
]
ROUNDING = 0.4
"""Logits of texts with words differ so much at most, because ONNX rounds the inputs of its layers."""


@pytest.fixture
def converted() -> ConvertedClassifier:
    found = load_converted(SHIPPED, FAKE)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def shipped() -> OnnxClassifier:
    return load_onnx(SHIPPED, threads=2)


def test_weights_are_those_of_the_onnx_model(converted: ConvertedClassifier, shipped: OnnxClassifier) -> None:
    """With rounded inputs, the logits are the same, except where the last digit decides how an input is rounded."""
    graph = onnx.load(SHIPPED / MODEL).graph
    places = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "Gather"}
    tensors = {each.name: onnx.numpy_helper.to_array(each).copy() for each in graph.initializer}
    exact = {
        node.input[1].removesuffix(".weight"): torch.from_numpy(tensors[places[node.input[0]]])
        for node in graph.node
        if node.op_type == "MatMul" and node.input[0] in places
    }
    for name, layer in converted._model.bert.encoder.named_modules():
        if isinstance(layer, torch.nn.Linear):
            loud = exact.get(f"_model.bert.encoder.{name}", torch.tensor([], dtype=torch.long))
            layer.register_forward_pre_hook(partial(_rounded, loud))
    np.testing.assert_allclose(converted.logits(["", *TEXTS]), shipped.logits(["", *TEXTS]), atol=0.1)


def _rounded(loud: torch.Tensor, _: torch.nn.Module, given: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
    quiet = given[0].index_fill(-1, loud, 0.0)
    step = (quiet.abs().amax(-1, keepdim=True) / WHOLE).clamp(min=LEAST)
    return (torch.round(quiet / step) * step + given[0] - quiet,)


def test_logits_are_near_those_of_the_onnx_model(converted: ConvertedClassifier, shipped: OnnxClassifier) -> None:
    np.testing.assert_allclose(converted.logits(TEXTS), shipped.logits(TEXTS), atol=ROUNDING)
    assert (converted.logits(TEXTS) - shipped.logits(TEXTS)).std() < ROUNDING / 4
    for name in ("name", "labels", "context", "exclusive"):
        assert getattr(converted, name) == getattr(shipped, name)


def test_a_batch_for_which_the_memory_is_too_small_is_halved(
    converted: ConvertedClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, run, sizes = converted.logits(TEXTS), converted._run, list[int]()

    def scarce(rows: Sequence[Sequence[int]]) -> Any:
        sizes.append(len(rows))
        if len(rows) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB.")
        return run(rows)

    monkeypatch.setattr(converted, "_run", scarce)
    np.testing.assert_allclose(converted.logits(TEXTS), known, atol=1e-4)
    assert sizes == [8, 4, 2, 2, 2, 2]


@pytest.mark.parametrize(("device", "threads", "on_gpu"), [(FAKE, None, True), (FAKE, 1, False), ("cpu", None, False)])
def test_the_device_decides_who_runs_the_model(
    device: str, threads: int | None, on_gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller that wants few threads leaves the GPU alone."""
    monkeypatch.setattr(classifier, "find_device", lambda name: device)
    encoder = vars(load_model(str(SHIPPED), threads))["_encoder"]
    assert isinstance(encoder, ConvertedClassifier if on_gpu else OnnxClassifier)


def test_a_model_of_others_stays_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "theirs"
    shutil.copytree(SHIPPED, folder)
    model = onnx.load(folder / MODEL)
    for node in model.graph.node:
        node.input[:] = [name.replace("classifier", "head") for name in node.input]
    for weight in model.graph.initializer:
        weight.name = weight.name.replace("classifier", "head")
    onnx.save(model, folder / MODEL)
    monkeypatch.setattr(classifier, "find_device", lambda name: FAKE)
    with caplog.at_level(logging.WARNING):
        found = load_model(str(folder))
    assert found.logits(["hi"]).shape == (1, len(found.labels))
    assert str(folder) in caplog.text
    assert "The CPU runs judge.model" in caplog.text
