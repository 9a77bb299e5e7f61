"""A `transformers` sequence classifier, from a folder or the Hugging Face hub, run by PyTorch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from pipeline.judge import calibration
from pipeline.judge.calibration import Calibrated, Calibration, Numbers
from pipeline.judge.pretrained import Pretrained
from pipeline.judge.view import MAX_TOKENS, view

BATCH = 32


class TransformersClassifier(Calibrated):
    """A model in evaluation mode, on the CPU."""

    def __init__(self, model: Any, tokenizer: Any, found: Calibration, name: str, exclusive: bool) -> None:
        labels = [model.config.id2label[at] for at in range(model.config.num_labels)]
        super().__init__(name, labels, found, exclusive)
        self._model = model
        self._tokenizer = tokenizer

    def logits(self, texts: Sequence[str]) -> Numbers:
        """Runs batches of texts of similar length, so that a batch has little padding."""
        found = np.zeros((len(texts), len(self.labels)))
        if not texts:
            return found
        limit = min(MAX_TOKENS, self._tokenizer.model_max_length)
        ids = self._tokenizer([view(text) for text in texts], truncation=True, max_length=limit)["input_ids"]
        order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
        with torch.inference_mode():
            for start in range(0, len(order), BATCH):
                places = order[start : start + BATCH]
                padded = self._tokenizer.pad({"input_ids": [ids[at] for at in places]}, return_tensors="pt")
                found[places] = self._model(**padded).logits.numpy()
        return found


def load_transformer(source: str) -> TransformersClassifier:
    """Load a model folder, or a model of the Hugging Face hub by its id `owner/name@commit`.

    Raises ConfigError if it is not a sequence classifier, DependencyError if the hub does not answer.
    """
    found = Pretrained(source, "judge.model", "sequence classifier")
    model, tokenizer = found.model(AutoModelForSequenceClassification), found.part(AutoTokenizer)
    exclusive, name = found.is_exclusive(model.config), found.name(model.config, "calibration.json")
    return TransformersClassifier(model, tokenizer, calibration.load_calibration(Path(source)), name, exclusive)
