"""Fine-tunes an encoder on the rows of the training sets."""

from collections.abc import Iterator, Sequence
from functools import partial
from random import Random

from transformers import BertForSequenceClassification, PreTrainedTokenizerFast

from pipeline.learning import fine_tuning
from pipeline.learning.checkpoint import Checkpoint
from pipeline.learning.fine_tuning import Batch, Groups, Recipe, Say, Teach, batches
from pipeline.learning.starting_model import Encoder, wrapped
from pipeline.learning.training_rows import Row
from training.classifier.context import Context
from training.classifier.noise import hearing
from training.classifier.sample import Sampler
from training.classifier.vocabulary import trim


def train(
    rows: Sequence[Row],
    encoder: Encoder,
    recipe: Recipe,
    say: Say,
    teach: Teach = list,
    checkpoint: Checkpoint | None = None,
) -> tuple[BertForSequenceClassification, PreTrainedTokenizerFast]:
    """Fine-tune `encoder` on `rows`, with the targets that `teach` gives them. `say` receives lines of progress."""
    texts = [row.text for row in rows]
    trimmed = trim(encoder, texts)
    model, tokenizer = trimmed.model.train(), wrapped(trimmed.tokenizer)
    model.config.context = True  # The judge gives it context, too.
    stream = partial(_stream, rows, teach, texts, tokenizer, recipe)
    fine_tuning.fine_tune(model, _groups(model, recipe), stream, recipe, say, checkpoint)
    return model, tokenizer


def _groups(model: BertForSequenceClassification, recipe: Recipe) -> Groups:
    sounds = model.bert.embeddings.word_embeddings.sounds
    known = [parameter for parameter in model.bert.parameters() if parameter is not sounds]
    new = {"params": [*model.classifier.parameters(), sounds], "lr": recipe.learning_rate * recipe.head}
    return [{"params": known, "lr": recipe.learning_rate}, new]


def _stream(
    rows: Sequence[Row],
    teach: Teach,
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    skipped: int,
) -> Iterator[Batch]:
    sampler = Sampler(rows, recipe.seed)
    context = Context(rows, hearing(texts, recipe.seed), recipe.seed)

    def hear(row: Row) -> str:
        return context(row, sampler.said(row))

    drawn = sampler.draw(recipe.steps * recipe.batch)
    return batches(
        drawn, tokenizer, recipe.batch, recipe.max_tokens, hear, Random(recipe.seed), teach=teach, skipped=skipped
    )
