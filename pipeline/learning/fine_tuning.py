"""Fine-tunes a pre-trained encoder on batches of labelled rows, with one output for each label.

Threads compute the gradients of the parts of a batch. With one core each, they are twice as fast as PyTorch's own.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from random import Random
from time import monotonic

import torch
from torch import Tensor
from torch.nn import Parameter
from transformers import BertForSequenceClassification, PreTrainedTokenizerBase

from pipeline.base.cpu_cores import multiplies_bfloat16
from pipeline.learning.checkpoint import Checkpoint
from pipeline.learning.training_rows import OUTPUTS, RISK, Row

RISK_WEIGHT = 2.0
"""`risk` decides whether a moderator sees the text at all, so it counts twice."""
SORTED = 50
"""Rows are sorted by length within this many batches, to reduce padding."""
REPORT_EVERY = 50
"""Steps between two lines of progress."""
HALVES = multiplies_bfloat16()
Groups = list[dict[str, object]]
Say = Callable[[str], None]
Teach = Callable[[Sequence[Row]], Sequence[Row]]


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of n rows with at most t tokens, for k outputs."""

    input_ids: Tensor
    """Shape (n, t)."""
    attention_mask: Tensor
    """Shape (n, t)."""
    targets: Tensor
    """Shape (n, k), values 0 to 1."""
    weights: Tensor
    """Shape (n, k); 0 for outputs that are not annotated."""


def targets_of(rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
    """Targets and weights, each of shape (rows, outputs)."""
    targets = torch.tensor([[row.labels.get(output, 0.0) for output in OUTPUTS] for row in rows])
    weights = torch.tensor([[row.weight if output in row.labels else 0.0 for output in OUTPUTS] for row in rows])
    weights[:, OUTPUTS.index(RISK)] *= RISK_WEIGHT
    return targets, weights


def masked_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Binary cross-entropy over annotated outputs. Outputs with weight 0 have no gradient. All shapes are (n, k)."""
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (losses * weights).sum() / weights.sum().clamp(min=1e-6)  # a part may have no annotation


def batches(
    rows: Iterable[Row],
    tokenizer: PreTrainedTokenizerBase,
    size: int,
    max_tokens: int,
    hear: Callable[[Row], str],
    random: Random,
    teach: Teach = list,
    skipped: int = 0,
) -> Iterator[Batch]:
    """All rows once, in batches of similar length, without the first `skipped` batches.

    `hear` turns a row into the text that a recogniser would write. `teach` gives rows their targets.
    """
    stream = iter(rows)
    while chunk := [*islice(stream, size * SORTED)]:
        # `hear` and `random` also run for skipped batches, so that the later batches are the same.
        texts = [hear(row) for row in chunk]
        turns = [*range(-(-len(chunk) // size))]
        random.shuffle(turns)  # else short texts would always come first
        if wanted := turns[skipped:]:
            ids = tokenizer(texts, truncation=True, max_length=max_tokens)["input_ids"]
            order, targets = sorted(range(len(chunk)), key=lambda at: len(ids[at])), teach(chunk)
            for group in (order[turn * size : (turn + 1) * size] for turn in wanted):
                yield _batch([targets[at] for at in group], [ids[at] for at in group], tokenizer)
        skipped = max(0, skipped - len(turns))


def _batch(rows: Sequence[Row], ids: list[list[int]], tokenizer: PreTrainedTokenizerBase) -> Batch:
    padded = tokenizer.pad({"input_ids": ids}, return_tensors="pt")
    return Batch(padded["input_ids"], padded["attention_mask"], *targets_of(rows))


class Gradients:
    """Each thread runs forward and backward on its own part of a batch, with the same weights."""

    def __init__(self, parameters: Sequence[Parameter], workers: int) -> None:
        torch.set_num_threads(1)
        self._parameters = parameters
        # OpenMP has a number of threads for each thread that calls it.
        self._pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))

    def of(self, losses: Sequence[Callable[[], Tensor]]) -> float:
        """Sum the gradients of `losses` into the parameters; returns the sum of the losses."""
        found = [*self._pool.map(self._of_part, losses)]
        for parameter, *gradients in zip(self._parameters, *(gradients for _, gradients in found), strict=True):
            # This replaces the gradients of the last step, so no `zero_grad` is needed.
            parameter.grad = gradients[0]
            for other in gradients[1:]:
                parameter.grad += other
        return sum(loss for loss, _ in found)

    def _of_part(self, part: Callable[[], Tensor]) -> tuple[float, tuple[Tensor, ...]]:
        loss = part()
        # Not `backward`: all threads would add to the same `grad`.
        return loss.item(), torch.autograd.grad(loss, self._parameters)


@dataclass(frozen=True, slots=True)
class Recipe:
    """The settings of a training. The same recipe on the same rows and the same machine gives the same weights."""

    seed: int = 1
    runs: int = 2
    """Number of models. Each goes on from the one before it, and learns from it."""
    samples: int = 300_000
    """Texts in a run. Each has new recognition errors."""
    batch: int = 64
    learning_rate: float = 1e-4
    kept: float = 0.0
    """Share of the initial weights in the final ones, so that the model forgets less (Wortsman et al. 2022)."""
    head: float = 5.0
    """Learning rate of new parts (the last layer, syllable vectors) relative to the encoder's."""
    warm_up: int = 500
    """Steps with a rising learning rate. With only a few, the encoder forgets its training and never recovers."""
    weight_decay: float = 0.01
    max_tokens: int = 104
    """Limit for training texts with the speech before them. The judge reads up to 176."""
    workers: int = 2
    """Threads that share a batch. Two with a core each are twice as fast as PyTorch's own two."""

    @property
    def steps(self) -> int:
        return -(-self.samples // self.batch)

    def slope(self, done: int) -> float:
        """Factor of the learning rates after `done` steps: rises linearly during warm-up, then falls linearly to 0."""
        return min((done + 1) / self.warm_up, 1 - done / self.steps)


def fine_tune(
    model: BertForSequenceClassification,
    groups: Groups,
    stream: Callable[[int], Iterable[Batch]],
    recipe: Recipe,
    say: Say,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Fine-tune `model` on the batches of `stream`. Go on from `checkpoint`, if it holds a state, and update it.

    `groups` are the parameters, as the optimizer takes them. `stream` gets the number of batches to skip. `say`
    receives lines of progress.
    """
    optimizer = torch.optim.AdamW(groups, eps=1e-6, weight_decay=recipe.weight_decay, fused=True)
    began = [parameter.detach().clone() for parameter in model.parameters()]
    rates = [group["lr"] for group in optimizer.param_groups]
    gradients = Gradients([*model.parameters()], recipe.workers)
    before, total = checkpoint.restore(model, optimizer) if checkpoint else (0, 0.0)
    if before:
        say(f"goes on after step {before} of {recipe.steps}")
    started = monotonic()
    for step, batch in enumerate(islice(stream(before), recipe.steps - before), before + 1):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * recipe.slope(step - 1)
        total += gradients.of(losses(model, batch, recipe.workers))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # the limit of BERT's own training
        optimizer.step()
        if step % REPORT_EVERY == 0:
            speed = (step - before) * recipe.batch / (monotonic() - started)
            mean = total / REPORT_EVERY
            say(f"step {step} of {recipe.steps}, {step / recipe.steps:.0%}: loss {mean:.4f}, {speed:.0f} texts/s")
            total = 0.0
        if checkpoint:
            checkpoint.update(model, optimizer, step, total)
    _keep(model, began, recipe.kept)


def losses(model: BertForSequenceClassification, batch: Batch, count: int) -> list[Callable[[], Tensor]]:
    """The mean loss in `count` parts."""
    total = batch.weights.sum().clamp(min=1e-6)
    return [partial(_loss, model, part, total) for part in _parts(batch, count)]


def _loss(model: BertForSequenceClassification, part: Batch, total: Tensor) -> Tensor:
    """One part's share of the mean loss of a batch. `total` is the sum of the batch's weights.

    Matrix products use bfloat16 if the CPU supports it. Weights, norms, loss and gradients are always float32.
    """
    with torch.autocast("cpu", torch.bfloat16, enabled=HALVES, cache_enabled=False):
        logits = model(part.input_ids, part.attention_mask).logits
    return masked_loss(logits.float(), part.targets, part.weights) * part.weights.sum() / total


def _parts(batch: Batch, count: int) -> list[Batch]:
    """Every `count`-th row, so that the parts have similar lengths."""
    return [
        Batch(
            batch.input_ids[at::count],
            batch.attention_mask[at::count],
            batch.targets[at::count],
            batch.weights[at::count],
        )
        for at in range(min(count, len(batch.targets)))
    ]


@torch.no_grad()
def _keep(model: BertForSequenceClassification, began: Sequence[Tensor], share: float) -> None:
    """Mix a share of the initial parameters `began` into the current ones."""
    for parameter, before in zip(model.parameters(), began, strict=True):
        parameter.lerp_(before, share)
