"""Fine-tunes an encoder on the rows of the training sets."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random

from transformers import BertForSequenceClassification, PreTrainedTokenizerFast

from pipeline.learning import fine_tuning
from pipeline.learning.fine_tuning import Batch, Groups, Recipe, Save, Say, batches
from pipeline.learning.starting_model import Encoder, wrapped
from pipeline.learning.training_rows import Row
from training.classifier.context import Context
from training.classifier.noise import hearing
from training.classifier.sample import Sampler
from training.classifier.vocabulary import trim

Teach = Callable[[Iterable[Row]], Iterable[Row]]


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
    fine_tuning.fine_tune(
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
