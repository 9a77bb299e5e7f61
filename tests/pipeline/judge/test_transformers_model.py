"""Which files a model comes with: those of its folder, or those that the hub has at its commit."""

import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError
from transformers import BertForSequenceClassification

from pipeline.base.errors import ConfigError, DependencyError
from pipeline.judge import transformers_model
from pipeline.judge.transformers_model import Pretrained
from pipeline.learning.starting_model import wrapped
from tests.training.classifier import tiny

COMMIT = "0123456789abcdef" * 2 + "01234567"
FILE = "preprocessor_config.json"
NO_FILE = RemoteEntryNotFoundError(
    "404", response=httpx.Response(404, request=httpx.Request("HEAD", "https://hub.invalid"))
)


def of_hub() -> Pretrained:
    return Pretrained(f"owner/name@{COMMIT}", "listen.ear", "audio classifier")


def answers(monkeypatch: pytest.MonkeyPatch, kept: object, error: Exception | None = None) -> list[Any]:
    """The hub cache has `kept`, and the hub answers with a file or an error. Returns what the hub is asked."""
    asked: list[Any] = []

    def download(place: str, name: str, revision: str) -> str:
        asked.append((place, name, revision))
        if error:
            raise error
        return name

    monkeypatch.setattr(transformers_model, "try_to_load_from_cache", lambda *_, **__: kept)
    monkeypatch.setattr(transformers_model, "hf_hub_download", download)
    return asked


def test_a_folder_has_its_files(tmp_path: Path) -> None:
    source = Pretrained(str(tmp_path), "listen.ear", "audio classifier")
    assert not source.has(FILE)
    (tmp_path / FILE).write_text("{}")
    assert source.has(FILE)


@pytest.mark.parametrize(("kept", "there"), [("/cache/file", True), (object(), False)])
def test_what_the_cache_knows_is_not_asked_again(monkeypatch: pytest.MonkeyPatch, kept: object, there: bool) -> None:
    """The cache also knows, by a value that is no path, that the hub has no such file at this commit."""
    asked = answers(monkeypatch, kept)
    assert of_hub().has(FILE) is there
    assert asked == []


@pytest.mark.parametrize(("error", "there"), [(None, True), (NO_FILE, False)])
def test_the_hub_is_asked_once_for_the_commit(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, there: bool
) -> None:
    asked = answers(monkeypatch, None, error)
    assert of_hub().has(FILE) is there
    assert asked == [("owner/name", FILE, COMMIT)]


def test_a_hub_out_of_reach_is_no_missing_file(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, None, LocalEntryNotFoundError("out of reach"))
    with pytest.raises(DependencyError, match=r"listen\.ear: .*out of reach"):
        of_hub().has(FILE)


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
    monkeypatch.setattr(transformers_model, "BATCH", 2)
    model, folder = saved
    loaded = transformers_model.load_transformer(str(folder))
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
    assert transformers_model.load_transformer(str(saved[1])).exclusive == exclusive


def test_a_regression_is_refused(saved: tuple[BertForSequenceClassification, Path]) -> None:
    change(saved[1], problem_type="regression")
    with pytest.raises(ConfigError, match="a regression model has no probabilities"):
        transformers_model.load_transformer(str(saved[1]))


def test_an_encoder_without_a_trained_head_is_refused(saved: tuple[BertForSequenceClassification, Path]) -> None:
    model, folder = saved
    model.bert.save_pretrained(folder)
    with pytest.raises(ConfigError, match="weights of its head are missing"):
        transformers_model.load_transformer(str(folder))


def test_the_name_changes_with_weights_and_calibration(saved: tuple[BertForSequenceClassification, Path]) -> None:
    model, folder = saved
    names = [transformers_model.load_transformer(str(folder)).name]
    (folder / "calibration.json").write_text('{"temperature": {"risk": 2}}')
    names.append(transformers_model.load_transformer(str(folder)).name)
    model.classifier.bias.data += 1
    model.save_pretrained(folder)
    names.append(transformers_model.load_transformer(str(folder)).name)
    assert len(set(names)) == 3
    assert all(name.startswith("tiny@") for name in names)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"judge.model: {tmp_path} cannot be loaded"):
        transformers_model.load_transformer(str(tmp_path))
