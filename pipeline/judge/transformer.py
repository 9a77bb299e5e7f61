"""A `transformers` sequence classifier, from a folder or the Hugging Face hub, run by PyTorch."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

from pipeline.errors import ConfigError, DependencyError
from pipeline.judge import calibration
from pipeline.judge.calibration import Calibrated, Calibration, Numbers
from pipeline.judge.hub import LATEST, commit_of, is_id
from pipeline.judge.view import MAX_TOKENS, view

BATCH = 32
WEIGHTS = ("model.safetensors", "pytorch_model.bin")


class TransformersClassifier(Calibrated):
    """A model in evaluation mode, on the CPU."""

    def __init__(self, model: Any, tokenizer: Any, found: Calibration, name: str) -> None:
        labels = [model.config.id2label[at] for at in range(model.config.num_labels)]
        super().__init__(name, labels, found, _is_exclusive(model.config))
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


def load(source: str) -> TransformersClassifier:
    """Load a model folder, or a model of the Hugging Face hub by its id `owner/name@commit`.

    Raises ConfigError if it is not a sequence classifier, DependencyError if the hub does not answer.
    """
    folder = Path(source)
    hub = is_id(source)
    place, commit = commit_of(source, "judge.model") if hub else (source, LATEST)
    try:
        with quietly():
            model, found = AutoModelForSequenceClassification.from_pretrained(
                place, revision=commit, local_files_only=not hub, dtype=torch.float32, output_loading_info=True
            )
            tokenizer = AutoTokenizer.from_pretrained(place, revision=commit, local_files_only=not hub)
    except (OSError, ValueError, KeyError) as error:
        raise _why(source, error, hub) from error
    if found["missing_keys"] or found["mismatched_keys"]:
        raise ConfigError(
            f"judge.model: {source} is not a trained classifier: weights of its head are missing",
            "Name a model that was fine-tuned for sequence classification.",
        )
    return TransformersClassifier(model.eval(), tokenizer, calibration.load(folder), _name(source, folder, model))


def _is_exclusive(config: Any) -> bool:
    if config.problem_type == "regression":
        raise ConfigError("judge.model: a regression model has no probabilities", "Name a classifier.")
    return bool(config.problem_type != "multi_label_classification" and config.num_labels > 1)


def _name(source: str, folder: Path, model: Any) -> str:
    """Name and version. For a folder, the version is a hash of its files."""
    if not folder.is_dir():
        name, _, commit = source.partition("@")
        return f"{name}@{commit[:8]}"
    digest = hashlib.sha256(json.dumps(model.config.to_dict(), sort_keys=True, default=str).encode())
    for name in (*WEIGHTS, "calibration.json"):
        if (folder / name).is_file():
            digest.update((folder / name).read_bytes())
    return f"{folder.resolve().name}@{digest.hexdigest()[:8]}"


def _why(source: str, error: Exception, hub: bool) -> ConfigError | DependencyError:
    reason = " ".join(str(error).split())[:200]
    if hub and isinstance(error, OSError):
        return DependencyError(
            f"judge.model: {source} cannot be fetched: {reason}", "Check the id and the network, or name a folder."
        )
    return ConfigError(f"judge.model: {source} cannot be loaded: {reason}", "Name a transformers sequence classifier.")


@contextmanager
def quietly() -> Iterator[None]:
    """Hides the progress bars and warnings of `transformers`. Real problems raise our own errors."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
