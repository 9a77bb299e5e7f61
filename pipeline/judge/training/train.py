"""From labelled rows to a model: a small BERT with one output a label, from scratch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

import torch
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from pipeline.judge.training.batches import Batch, batches, masked_loss
from pipeline.judge.training.duplicates import Seen
from pipeline.judge.training.noise import LIGHT, Mishearing
from pipeline.judge.training.rows import OUTPUTS, Part, Row, part_of
from pipeline.judge.training.tokens import MAX_TOKENS, train_tokenizer
from pipeline.judge.view import view

REPORT_EVERY = 200
"""Steps between two lines of progress."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training run is made of. The same recipe on the same rows gives the same figures, within noise."""

    seed: int = 1
    epochs: int = 3
    steps: int | None = None
    """At most so many in all; None: as the epochs want."""
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    max_tokens: int = 72
    """Of a training text; the model reads up to 128."""
    vocabulary: int = 12_000
    width: int = 192
    layers: int = 2
    heads: int = 3
    dropout: float = 0.2


def split(rows: Sequence[Row]) -> dict[Part, list[Row]]:
    """Rows by side, as the classifier views them; of near-duplicates only one stays, on the test side if it can."""
    sides: dict[Part, list[Row]] = {"test": [], "validation": [], "train": []}
    for row in rows:
        sides[part_of(row)].append(replace(row, text=view(row.text)))
    seen = Seen()
    return {part: [row for row in side if not seen.add(row.text)] for part, side in sides.items()}


def train(
    rows: Sequence[Row], recipe: Recipe, say: Callable[[str], None]
) -> tuple[BertForSequenceClassification, PreTrainedTokenizerFast]:
    """Train on `rows`; `say` is told how it goes."""
    torch.manual_seed(recipe.seed)
    texts = [row.text for row in rows]
    tokenizer = train_tokenizer(texts, recipe.vocabulary)
    model = new_model(recipe, len(tokenizer))
    steps = recipe.epochs * -(-len(rows) // recipe.batch)
    optimizer = torch.optim.AdamW(model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, steps, pct_start=0.1)
    model.train()
    total = 0.0
    for step, batch in enumerate(_stream(rows, texts, tokenizer, recipe), 1):
        loss = masked_loss(model(batch.input_ids, batch.attention_mask).logits, batch.targets, batch.weights)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += loss.item()
        if step % REPORT_EVERY == 0:
            say(f"step {step} of {steps}: loss {total / REPORT_EVERY:.4f}")
            total = 0.0
        if step == recipe.steps:
            break
    return model.eval(), tokenizer


def new_model(recipe: Recipe, vocabulary: int) -> BertForSequenceClassification:
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=recipe.width,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        intermediate_size=recipe.width * 8 // 3,
        hidden_dropout_prob=recipe.dropout,
        max_position_embeddings=MAX_TOKENS,
        problem_type="multi_label_classification",
        id2label=dict(enumerate(OUTPUTS)),
        label2id={output: at for at, output in enumerate(OUTPUTS)},
    )
    return BertForSequenceClassification(config)


def _stream(
    rows: Sequence[Row], texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, recipe: Recipe
) -> Iterator[Batch]:
    hear = Mishearing(texts, LIGHT, recipe.seed)
    random = Random(recipe.seed)  # noqa: S311
    for _ in range(recipe.epochs):
        yield from batches(rows, tokenizer, recipe.batch, recipe.max_tokens, hear, random)
