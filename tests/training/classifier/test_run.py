"""Each run goes on from the model before it, sees other noise, and learns from that model."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertForSequenceClassification, PreTrainedTokenizerFast

from pipeline.base.errors import ConfigError
from pipeline.judge.classifier import load_model
from pipeline.judge.model_outputs import Calibrated, Calibration, Numbers
from pipeline.judge.onnx_classifier import MODEL
from pipeline.learning.training_rows import OUTPUTS
from tests.training.classifier import tiny
from tests.training.classifier.test_train import RECIPE, ROWS, TEXTS
from training.classifier import run
from training.classifier.run import generation, named
from training.classifier.teach import taught

SHORT = replace(RECIPE, samples=64)


class Believer(Calibrated):
    """Scores every text as fraud."""

    def __init__(self, labels: Sequence[str] = OUTPUTS) -> None:
        super().__init__("believer", labels, Calibration())

    def logits(self, texts: Sequence[str]) -> Numbers:
        return np.tile([10.0 if output == "fraud" else -10.0 for output in OUTPUTS], (len(texts), 1))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of an encoder without a head."""
    out = tmp_path_factory.mktemp("encoder")
    body = tiny.encoder(TEXTS)
    body.model.bert.save_pretrained(out)
    PreTrainedTokenizerFast(tokenizer_object=body.tokenizer).save_pretrained(out)
    return str(out)


def weights(out: Path) -> torch.Tensor:
    model = BertForSequenceClassification.from_pretrained(out)
    return torch.cat([parameter.detach().flatten().float() for parameter in model.parameters()])


def test_a_pupil_learns_labels_that_only_its_teacher_knows(base: str, tmp_path: Path) -> None:
    scores = []
    for teach in (list, partial(taught, teacher=Believer())):
        generation(0, ROWS, tmp_path, replace(RECIPE, samples=2_000), base, print, teach)
        found = load_model(str(tmp_path)).probabilities(TEXTS)
        scores.append(found[:, OUTPUTS.index("fraud")].mean())
    untaught, pupil = scores
    assert untaught < 0.4
    assert pupil > 0.6


def test_a_teacher_with_other_labels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / MODEL).touch()
    monkeypatch.setattr(run, "load_model", lambda _: Believer(["toxic"]))
    with pytest.raises(ConfigError, match=r"teacher: .* has other labels"):
        named(str(tmp_path))


def test_a_later_run_goes_on_from_the_model_before_it(base: str, tmp_path: Path) -> None:
    first, same, further = (tmp_path / name for name in ("first", "same", "further"))
    generation(0, ROWS, first, SHORT, base, print)
    generation(1, ROWS, same, replace(SHORT, learning_rate=0.0), str(first), print)
    torch.testing.assert_close(weights(same), weights(first))
    generation(1, ROWS, further, SHORT, str(first), print)
    assert (weights(further) - weights(first)).abs().max() > 1e-3


def test_runs_see_texts_with_different_noise(base: str, tmp_path: Path) -> None:
    models = []
    for seed in (SHORT.seed, SHORT.seed + 1):
        generation(0, ROWS, tmp_path, replace(SHORT, seed=seed), base, print)
        models.append(weights(tmp_path))
    assert (models[0] - models[1]).abs().max() > 1e-2
