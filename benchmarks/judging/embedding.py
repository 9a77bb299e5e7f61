"""Sentence embeddings of multilingual-e5-small (Wang et al. 2024) before fine-tuning."""

from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.judging.measures import Numbers
from pipeline.judge.classifier_text import MAX_TOKENS
from pipeline.learning.starting_model import wrapped
from training.classifier import beginning

BATCH = 32
PREFIX = "query: "
"""The prefix that the model's authors use for texts that are compared with each other."""


class Embedding:
    def __init__(self) -> None:
        loaded = beginning.start()
        self._model = loaded.model.bert.eval()
        self._tokenizer = wrapped(loaded.tokenizer)

    def __call__(self, texts: Sequence[str]) -> Numbers:
        """Embeddings of length 1, shape (texts, width): the mean of the last layer's tokens."""
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        found = np.zeros((len(texts), self._model.config.hidden_size))
        with torch.inference_mode():
            for start in range(0, len(order), BATCH):
                places = order[start : start + BATCH]
                found[places] = self._embed([PREFIX + texts[at] for at in places])
        return found

    def _embed(self, texts: Sequence[str]) -> Numbers:
        batch = self._tokenizer(texts, truncation=True, max_length=MAX_TOKENS, padding=True, return_tensors="pt")
        hidden = self._model(batch["input_ids"], batch["attention_mask"]).last_hidden_state
        mask = batch["attention_mask"][..., None]
        mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        embedded: Numbers = torch.nn.functional.normalize(mean).double().numpy()
        return embedded
