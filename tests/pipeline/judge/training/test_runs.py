"""Several runs make one model: they start alike, see other noise, and their weights are averaged."""

from dataclasses import replace
from itertools import count

import pytest
import torch
from transformers import BertForSequenceClassification, PreTrainedTokenizerFast

from pipeline.judge.training import train as training
from pipeline.judge.training.run import means, runs
from tests.pipeline.judge.training import tiny
from tests.pipeline.judge.training.test_training import RECIPE, ROWS, TEXTS, folder_unused

TWO = replace(RECIPE, runs=2, samples=64)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of an encoder without a head."""
    out = tmp_path_factory.mktemp("encoder")
    body = tiny.encoder(TEXTS)
    body.model.bert.save_pretrained(out)
    PreTrainedTokenizerFast(tokenizer_object=body.tokenizer).save_pretrained(out)
    return str(out)


def weights(model: BertForSequenceClassification) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_models_are_averaged_one_after_another(base: str) -> None:
    trained = list(runs(ROWS, replace(TWO, runs=3), base, print, folder_unused))
    apart = torch.stack([weights(model) for model, _ in trained])
    assert (apart[0] - apart[1]).abs().max() > 1e-2
    found = torch.stack([weights(mean) for mean, _ in means(trained)])
    torch.testing.assert_close(found, apart.cumsum(0) / torch.tensor([[1.0], [2.0], [3.0]]))


def test_runs_start_with_the_same_head(base: str) -> None:
    one, other = (model for model, _ in runs(ROWS, replace(TWO, learning_rate=0.0), base, print, folder_unused))
    torch.testing.assert_close(weights(one), weights(other))


def test_the_first_run_alone_leaves_checkpoints(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SAVE_EVERY", 2)
    saved: list[object] = []
    list(runs(ROWS, TWO, base, print, lambda model, _: saved.append(model)))
    assert len(saved) == 2
    assert saved[0] is saved[1]


def test_runs_share_the_minutes(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by a second whenever it is looked at."""
    monkeypatch.setattr(training, "REPORT_EVERY", 1)
    said: dict[int, list[str]] = {1: [], 2: []}
    for number, lines in said.items():
        monkeypatch.setattr(training, "monotonic", count().__next__)
        list(
            runs(
                ROWS, replace(TWO, runs=number, samples=10**6, minutes=0.2 * number), base, lines.append, folder_unused
            )
        )
    steps = {number: sum(line.startswith("step") for line in lines) for number, lines in said.items()}
    assert steps[2] == 2 * steps[1] > 0
