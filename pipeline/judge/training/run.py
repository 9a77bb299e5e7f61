"""One command's training, from the sets to folders that the judge loads."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch.optim.swa_utils import AveragedModel
from transformers import BertForSequenceClassification, PreTrainedTokenizerFast

from pipeline.judge.training import encoder, folder, sets, sounds
from pipeline.judge.training.rows import Row
from pipeline.judge.training.train import Recipe, Save, split, train

Trained = tuple[BertForSequenceClassification, PreTrainedTokenizerFast]


def run(
    data: Path, out: Path, recipe: Recipe, names: Iterable[str], base: str | None, say: Callable[[str], None]
) -> None:
    """Train on the sets `names` under `data`, from the encoder `base` on; write `out`/transformers and `out`/onnx.

    The first is there after some minutes already, and is renewed: what an interrupt leaves can be used.
    """
    sides = split([*sets.read(data, names)])
    say(", ".join(f"{len(rows)} texts to {part}" for part, rows in sides.items()))
    weights, onnx = out / "transformers", out / "onnx"
    save = partial(folder.save, weights)
    for mean, tokenizer in means(runs(sides["train"], recipe, base, say, save)):
        save(mean, tokenizer)
    folder.convert(weights, onnx)
    sounds.add(onnx, sides, sounds.Recipe(recipe.seed), say)
    for label, languages in folder.calibrate(onnx, sides["validation"], recipe.seed).items():
        say(f"thresholds of {label}: {languages}")


def means(models: Iterable[Trained]) -> Iterator[Trained]:
    """The mean of the weights so far, after each model (Wortsman et al. 2022, "Model soups").

    Models that start alike end near one another: the mean of their weights does about what the mean of their scores
    would, at the price of one.
    """
    mean: AveragedModel | None = None
    for model, tokenizer in models:
        mean = mean or AveragedModel(model)
        mean.update_parameters(model)
        yield cast(BertForSequenceClassification, mean.module), tokenizer


def runs(
    rows: Sequence[Row], recipe: Recipe, base: str | None, say: Callable[[str], None], save: Save
) -> Iterator[Trained]:
    """As many models as the recipe has runs, of different orders and noise; `save` gets the first as it grows."""
    minutes = recipe.minutes and recipe.minutes / recipe.runs
    for number in range(recipe.runs):
        torch.manual_seed(recipe.seed)  # of the new head: what starts alike can be averaged
        say(f"run {number + 1} of {recipe.runs}")
        one = replace(recipe, seed=recipe.seed + number, minutes=minutes)
        yield train(rows, encoder.load(base), one, say, _unsaved if number else save)


def _unsaved(*_: object) -> None:
    """Young, it is worse than what stands there."""
