"""Turns rows into tensors: token ids, targets, and the weight of each target."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from pipeline.learning.rows import OUTPUTS, RISK, Row

RISK_WEIGHT = 2.0
"""`risk` decides whether a moderator sees the text at all, so it counts twice."""
SORTED = 50
"""Rows are sorted by length within this many batches, to reduce padding."""


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
    return (losses * weights).sum() / weights.sum().clamp(min=1e-6)


def batches(
    rows: Iterable[Row],
    tokenizer: PreTrainedTokenizerBase,
    size: int,
    max_tokens: int,
    hear: Callable[[Row], str],
    random: Random,
) -> Iterator[Batch]:
    """All rows once, in batches of similar length. `hear` turns a row into the text that a recogniser would write."""
    stream = iter(rows)
    while chunk := [*islice(stream, size * SORTED)]:
        ids = tokenizer([hear(row) for row in chunk], truncation=True, max_length=max_tokens)["input_ids"]
        order = sorted(range(len(chunk)), key=lambda at: len(ids[at]))
        groups = [order[start : start + size] for start in range(0, len(order), size)]
        random.shuffle(groups)
        for group in groups:
            yield _batch([chunk[at] for at in group], [ids[at] for at in group], tokenizer)


def _batch(rows: Sequence[Row], ids: list[list[int]], tokenizer: PreTrainedTokenizerBase) -> Batch:
    padded = tokenizer.pad({"input_ids": ids}, return_tensors="pt")
    return Batch(padded["input_ids"], padded["attention_mask"], *targets_of(rows))
