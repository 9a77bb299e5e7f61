"""Fine-tunes an encoder on the rows of the training sets."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from random import Random

from transformers import BertForSequenceClassification, PreTrainedTokenizerFast

from pipeline.judge.view import view
from pipeline.learning import loop
from pipeline.learning.batches import Batch, batches
from pipeline.learning.duplicates import Seen
from pipeline.learning.encoder import Encoder
from pipeline.learning.loop import Groups, Recipe, Save, Say
from pipeline.learning.model import wrapped
from pipeline.learning.rows import RISK, Part, Row, part_of
from training.classifier.context import Context
from training.classifier.noise import hearing
from training.classifier.sample import Sampler
from training.classifier.vocabulary import trim

Teach = Callable[[Iterable[Row]], Iterable[Row]]


def split(rows: Sequence[Row]) -> dict[Part, list[Row]]:
    """Rows by side, as the classifier sees them. Of near-duplicates one stays, on the test side if possible.

    A risky and a harmless row of one group may be close: their contrast is the lesson.
    """
    sides: dict[Part, list[Row]] = {"test": [], "validation": [], "train": []}
    for row in rows:
        sides[part_of(row)].append(replace(row, text=view(row.text), own=view(row.own), room=view(row.room)))
    seen = Seen()
    return {part: [*_distinct(side, seen)] for part, side in sides.items()}


def _distinct(rows: Sequence[Row], seen: Seen) -> Iterator[Row]:
    """The rows that are not close to one in `seen`, nor to one before them, except the other row of their pair."""
    for _, group in groupby(rows, key=lambda row: (row.source, row.group or row.text)):
        fresh = [row for row in group if row.text not in seen]
        contrast = len(fresh) == 2 and {row.labels.get(RISK) for row in fresh} == {0, 1}
        yield from (row for row in fresh if not seen.add(row.text) or contrast)


def train(
    rows: Sequence[Row], encoder: Encoder, recipe: Recipe, say: Say, save: Save, teach: Teach = iter
) -> tuple[BertForSequenceClassification, PreTrainedTokenizerFast]:
    """Fine-tune `encoder` on `rows`, with the targets that `teach` gives them.

    `say` receives lines of progress, and `save` receives intermediate models.
    """
    texts = [row.text for row in rows]
    trimmed = trim(encoder, texts)
    model, tokenizer = trimmed.model.train(), wrapped(trimmed.tokenizer)
    model.config.context = True  # The judge gives it context, too.
    loop.run(
        model, tokenizer, _groups(model, recipe), _stream(rows, teach, texts, tokenizer, recipe), recipe, say, save
    )
    return model, tokenizer


def _groups(model: BertForSequenceClassification, recipe: Recipe) -> Groups:
    sounds = model.bert.embeddings.word_embeddings.sounds
    known = [parameter for parameter in model.bert.parameters() if parameter is not sounds]
    new = {"params": [*model.classifier.parameters(), sounds], "lr": recipe.learning_rate * recipe.head}
    return [{"params": known, "lr": recipe.learning_rate}, new]


def _stream(
    rows: Sequence[Row], teach: Teach, texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, recipe: Recipe
) -> Iterator[Batch]:
    sampler = Sampler(rows, recipe.seed)
    context = Context(rows, hearing(texts, recipe.seed), recipe.seed)
    random = Random(recipe.seed)
    drawn = teach(sampler.draw(recipe.steps * recipe.batch))
    yield from batches(
        drawn, tokenizer, recipe.batch, recipe.max_tokens, lambda row: context(row, sampler.said(row)), random
    )
