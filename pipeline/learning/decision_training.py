"""Trains a classifier further on the decisions of a team, and writes a folder for `judge.model`.

The knowledge of the present model is kept in three ways. Labels that nobody decided on have its scores as targets. The
learning rate is low. And the weights are mixed with the weights at the beginning.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
from transformers import PreTrainedTokenizerFast

from pipeline.judge import model_outputs, pinyin_model
from pipeline.judge.classifier import load_model
from pipeline.judge.classifier_text import MAX_JOINED, with_context
from pipeline.judge.model_outputs import Numbers, sigmoid
from pipeline.learning import fine_tuning, model_export, starting_model
from pipeline.learning.case_split import filled
from pipeline.learning.fine_tuning import Batch, Groups, Recipe, Say, batches, targets_of
from pipeline.learning.starting_model import wrapped
from pipeline.learning.training_rows import OUTPUTS, Row

TEMPERATURES = np.geomspace(0.25, 8, 101)
FEWEST = 20
"""With fewer risky or clean texts there is not enough data for a temperature, so it stays 1."""
COPIED = (pinyin_model.FILE, model_export.THRESHOLDS)
"""Files of the present model that stay as they are: the pinyin model, and its thresholds."""
PASSES = 4
"""How often each case is seen."""
Progress = Callable[[int], None]
"""Gets the number of finished steps."""


def temperature(logits: Numbers, truth: Numbers, weights: Numbers) -> float:
    """The temperature with the lowest log loss (Guo et al. 2017).

    All shapes are (texts,); weight 0 means not annotated.
    """
    known = weights > 0
    risky, clean = (truth[known] == 1).sum(), (truth[known] == 0).sum()
    if min(risky, clean) < FEWEST:
        return 1.0
    # Targets a little inside 0 and 1 (Platt 1999). Otherwise a few texts that the model tells apart without a mistake
    # would make all its scores 0 or 1.
    targets = np.where(truth[known] == 1, (risky + 1) / (risky + 2), 1 / (clean + 2))
    scaled = logits[known, None] / TEMPERATURES
    # The log loss of a logit z with the target t: log(1 + exp(z)) - t z.
    losses = np.logaddexp(0, scaled) - targets[:, None] * scaled
    return float(TEMPERATURES[np.average(losses, axis=0, weights=weights[known]).argmin()])


@dataclass(frozen=True, slots=True)
class Continued(Recipe):
    """The settings of a training on decisions."""

    batch: int = 32
    learning_rate: float = 5e-5
    kept: float = 0.3
    warm_up: int = 20
    max_tokens: int = MAX_JOINED


def train_on_decisions(
    base: Path, taught: Sequence[Row], held: Sequence[Row], recipe: Recipe, out: Path, say: Say, progress: Progress
) -> None:
    """Train on `taught` from the model in `base`, and write the folder `out`. `held` only sets temperatures."""
    say(f"the present model reads {len(taught)} texts")
    # Without the temperatures, because the training has none.
    known = sigmoid(load_model(str(base)).logits([*map(_written, taught)]))
    begun = starting_model.load_encoder(str(base))
    model, tokenizer = begun.model.train(), wrapped(begun.tokenizer)
    stream = _stream(filled(taught, known), tokenizer, recipe)
    groups: Groups = [{"params": [*model.parameters()], "lr": recipe.learning_rate}]
    fine_tuning.fine_tune(model, groups, lambda _: _counted(stream, progress), recipe, say)
    say("writing the model")
    # The judge needs the ONNX folder only.
    with TemporaryDirectory() as weights:
        model_export.save_transformers(Path(weights), model, tokenizer)
        model_export.convert_to_onnx(Path(weights), out)
    for name in COPIED:
        if (base / name).is_file():
            shutil.copy(base / name, out)
    _calibrate(base, held, out)


def _stream(rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, recipe: Recipe) -> Iterator[Batch]:
    """All rows, `PASSES` times, each time in another order. Decided texts are transcripts, so they need no noise."""
    random = Random(recipe.seed)  # noqa: S311 - an order
    for _ in range(PASSES):
        order = random.sample(rows, len(rows))
        yield from batches(order, tokenizer, recipe.batch, recipe.max_tokens, _written, random)


def _counted(stream: Iterator[Batch], progress: Progress) -> Iterator[Batch]:
    """The batches. The loop asks for the next one when it has learnt from the one before."""
    for steps, batch in enumerate(stream):
        progress(steps)
        yield batch


def _written(row: Row) -> str:
    """The row as the judge writes it for the classifier."""
    return with_context(row.text, row.own, row.room)


def _calibrate(base: Path, held: Sequence[Row], out: Path) -> None:
    """Write temperatures from the held-out cases. A label with few of them keeps its present temperature."""
    found = dict(model_outputs.load_calibration(base).temperature)
    logits = load_model(str(out)).logits([*map(_written, held)])
    truth, weights = (tensor.double().numpy() for tensor in targets_of(held))
    for place, output in enumerate(OUTPUTS):
        known = truth[weights[:, place] > 0, place]
        if min((known == 1).sum(), (known == 0).sum()) >= FEWEST:
            found[output] = temperature(logits[:, place], truth[:, place], weights[:, place])
    model_export.write_json(out / model_export.CALIBRATION, {"temperature": found})
