"""The shipped ONNX model gives each text its own logits, and its version names its files."""

import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.base.cpu_cores import step_back
from pipeline.base.errors import ConfigError
from pipeline.judge import onnx_classifier
from pipeline.judge.classifier import SHIPPED
from pipeline.judge.onnx_classifier import BATCH, Config, OnnxClassifier

TEXTS = ["hi", "", "you are an idiot", "今天天气很好", "word " * 40, "我弄死你", "no"]


@pytest.fixture(scope="module")
def shipped() -> OnnxClassifier:
    return onnx_classifier.load_onnx(SHIPPED, threads=2)


def test_a_text_has_its_own_logits_in_any_order_and_number(shipped: OnnxClassifier) -> None:
    found = shipped.logits(TEXTS)
    assert len(TEXTS) > BATCH
    assert found.shape == (len(TEXTS), len(shipped.labels))
    np.testing.assert_allclose(shipped.logits(TEXTS[::-1]), found[::-1], atol=1e-4)
    for text, row in zip(TEXTS, found, strict=True):
        np.testing.assert_allclose(shipped.logits([text])[0], row, atol=1e-4)
    assert shipped.logits([]).shape == (0, len(shipped.labels))


def test_a_thread_that_has_stepped_back_works_itself(shipped: OnnxClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run(batch: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        ran.append(threading.current_thread().name)
        return np.zeros((len(batch), len(shipped.labels)), np.float32)

    monkeypatch.setattr(shipped, "_run", run)
    with ThreadPoolExecutor(1, "behind", step_back) as thread:
        thread.submit(shipped.logits, TEXTS).result()
    assert set(ran) == {"behind_0"}


def test_labels_are_in_the_order_of_the_outputs() -> None:
    names = {str(at): f"label {at}" for at in (10, *range(10))}
    assert msgspec.convert({"id2label": names}, Config).labels == tuple(f"label {at}" for at in range(11))


def test_the_configuration_says_whether_the_model_reads_context() -> None:
    assert [msgspec.convert({"id2label": {}} | more, Config).context for more in ({}, {"context": True})] == [
        False,
        True,
    ]


def test_the_version_changes_with_each_file(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    names = {onnx_classifier.name_of(folder)}
    for name in onnx_classifier.FILES:
        (folder / name).write_text(name)
        names.add(onnx_classifier.name_of(folder))
    (folder / "notes.txt").write_text("not part of the model")
    assert onnx_classifier.name_of(folder) in names
    assert len(names) == len(onnx_classifier.FILES) + 1
    assert all(name.startswith("mine@") for name in names)


@pytest.mark.parametrize("missing", ["model.onnx", "tokenizer.json", "config.json"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    for name in {*onnx_classifier.FILES} - {missing, "model.onnx"}:
        shutil.copy(SHIPPED / name, tmp_path)
    if missing != "model.onnx":
        (tmp_path / "model.onnx").symlink_to(SHIPPED / "model.onnx")
    with pytest.raises(ConfigError, match=rf"judge\.model: {tmp_path} cannot be loaded"):
        onnx_classifier.load_onnx(tmp_path)
