"""Trains the pinyin model: logistic regression for all outputs together, on rows with Chinese characters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.judge import onnx_classifier
from pipeline.judge.pinyin_model import PinyinModel, grams
from pipeline.learning.fine_tuning import masked_loss, targets_of
from pipeline.learning.model_comparison import auroc
from pipeline.learning.training_rows import OUTPUTS, Row
from pipeline.speech.languages.zh.script import has_han

Numbers = NDArray[np.float64]

RARELY = -3.0
"""The initial bias in logits, because most labels apply to few texts."""
WHOLE = 127
"""The largest whole number of a rounded weight."""
SHARES = tuple(step / 20 for step in range(9))
"""Candidate shares, up to 0.4. Validation texts resemble the training texts and would select a larger share, which is
worse on other texts.
"""
FEWEST = 20
"""An output with fewer risky or clean texts has no influence on the share."""


@dataclass(frozen=True, slots=True)
class SoundsRecipe:
    """The training takes two minutes on one core for 50 thousand rows."""

    seed: int = 1
    rounds: int = 4
    """How often each row is seen, with new recognition errors each time."""
    batch: int = 256
    learning_rate: float = 0.05
    weight_decay: float = 0.01
    dropped: float = 0.2
    """Share of a row's n-grams that are dropped, so that the model relies on no single one."""
    buckets: int = 2**19


class Linear(torch.nn.Module):
    """The model during training. `Sounds` explains its output."""

    def __init__(self, buckets: int) -> None:
        super().__init__()
        self.weights = torch.nn.EmbeddingBag(buckets, len(OUTPUTS), mode="sum")
        torch.nn.init.zeros_(self.weights.weight)
        self.bias = torch.nn.Parameter(torch.full((len(OUTPUTS),), RARELY))

    def forward(self, rows: Sequence[NDArray[np.int64]]) -> Tensor:
        """Logits, shape (rows, outputs), from the buckets of each row's n-grams."""
        counts = torch.tensor([len(row) for row in rows])
        total: Tensor = self.weights(torch.from_numpy(np.concatenate(rows)), counts.cumsum(0) - counts)
        return total / counts.clamp(min=1).sqrt()[:, None] + self.bias

    def quantised(self) -> PinyinModel:
        """The model with weights as whole numbers and one scale for each output. The share is not set yet."""
        weights = self.weights.weight.detach().numpy()
        scale = np.maximum(np.abs(weights).max(axis=0) / WHOLE, np.float32(1e-9))
        whole = np.round(weights / scale).astype(np.int8)
        return PinyinModel(OUTPUTS, whole, scale, self.bias.detach().numpy(), share=0.0)


def add(folder: Path, model: PinyinModel, validation: Sequence[Row], hear: Callable[[str], str]) -> float:
    """Add the pinyin model to the encoder's `folder`; returns the share that ranks misheard Mandarin best."""
    rows = [row for row in validation if has_han(row.text)]
    texts = [hear(row.text) for row in rows]
    truth, weights = (tensor.double().numpy() for tensor in targets_of(rows))
    share = best_share(onnx_classifier.load_onnx(folder).logits(texts), model.logits(texts), truth, weights)
    replace(model, share=share).save(folder)
    return share


def train(
    rows: Sequence[Row], recipe: SoundsRecipe, hear: Callable[[str], str], say: Callable[[str], None]
) -> PinyinModel:
    """Train on the `rows` with Chinese characters. `hear` turns a text into what a recogniser would write."""
    rows = [row for row in rows if has_han(row.text)]
    random = np.random.default_rng(recipe.seed)
    model = Linear(recipe.buckets)
    optimizer = torch.optim.AdamW(model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = recipe.rounds * -(-len(rows) // recipe.batch)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    targets, weights = targets_of(rows)
    for done in range(recipe.rounds):
        found = [grams(hear(row.text), recipe.buckets) for row in rows]
        losses = []
        for places in _batches(len(rows), recipe.batch, random):
            inputs = [_thinned(found[place], recipe.dropped, random) for place in places]
            loss = masked_loss(model(inputs), targets[places], weights[places])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        say(f"sounds: round {done + 1} of {recipe.rounds}, loss {np.mean(losses):.4f}")
    return model.quantised()


def best_share(encoder: Numbers, sounds: Numbers, truth: Numbers, weights: Numbers) -> float:
    """The share of `SHARES` with the highest mean AUROC over outputs. All shapes are (texts, outputs)."""
    columns = [
        (known, output)
        for output, known in enumerate((weights > 0).T)
        if min((truth[known, output] == 1).sum(), (truth[known, output] == 0).sum()) >= FEWEST
    ]

    def area(share: float) -> float:
        mixed = (1 - share) * encoder + share * sounds
        return float(np.mean([auroc(truth[known, output], mixed[known, output]) for known, output in columns]))

    return max(SHARES, key=area) if columns else 0.0


def _batches(count: int, size: int, random: np.random.Generator) -> Sequence[NDArray[np.int64]]:
    order = random.permutation(count)
    return [order[start : start + size] for start in range(0, count, size)]


def _thinned(found: NDArray[np.int64], dropped: float, random: np.random.Generator) -> NDArray[np.int64]:
    return found[random.random(len(found)) >= dropped]
