"""A `transformers` sequence classifier: texts in, one probability for each of its own labels out."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

from pipeline.errors import ConfigError, DependencyError
from pipeline.judge.view import view

Numbers = NDArray[np.float64]

MAX_TOKENS = 128
"""An utterance is 15 s at most; longer texts come in windows."""
BATCH = 64
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")


class Calibration(msgspec.Struct, forbid_unknown_fields=True):
    """`calibration.json` of a model folder: each label's logits are divided by its temperature (Guo et al. 2017)."""

    temperature: dict[str, float] = {}


class SequenceClassifier:
    """A model in evaluation mode, on the CPU."""

    def __init__(self, model: Any, tokenizer: Any, calibration: Calibration, name: str) -> None:
        self.name = name
        self.labels = tuple(model.config.id2label[at] for at in range(model.config.num_labels))
        self.exclusive = _is_exclusive(model.config)
        """Exactly one of the labels applies: the probabilities of a text add up to 1."""
        self._model = model
        self._tokenizer = tokenizer
        self._temperature = np.array([calibration.temperature.get(label, 1.0) for label in self.labels])

    def probabilities(self, texts: Sequence[str]) -> Numbers:
        """Calibrated, of shape (texts, labels)."""
        logits = self.logits(texts) / self._temperature
        powers: Numbers
        if not self.exclusive:
            powers = 1 / (1 + np.exp(-logits))
            return powers
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        powers /= powers.sum(axis=1, keepdims=True)
        return powers

    def logits(self, texts: Sequence[str]) -> Numbers:
        """As the model gives them, of shape (texts, labels)."""
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


def load(source: str) -> SequenceClassifier:
    """Load a model folder, or a model of the Hugging Face hub by its id `owner/name`.

    Raises ConfigError for what is not a sequence classifier, DependencyError for a hub that does not answer.
    """
    folder = Path(source)
    hub = not folder.is_dir() and HUB_ID.fullmatch(source) is not None
    if not hub and not (folder / "config.json").is_file():
        raise ConfigError(
            f"judge.model: no model at {source}", "Name a folder with a config.json, or a hub id like owner/name."
        )
    try:
        with _quietly():
            model, found = AutoModelForSequenceClassification.from_pretrained(
                source, local_files_only=not hub, dtype=torch.float32, output_loading_info=True
            )
            tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=not hub)
    except (OSError, ValueError, KeyError) as error:
        raise _why(source, error, hub) from error
    if found["missing_keys"] or found["mismatched_keys"]:
        raise ConfigError(
            f"judge.model: {source} is not trained to classify: it lacks weights of its head",
            "Name a model that was fine-tuned for sequence classification.",
        )
    return SequenceClassifier(model.eval(), tokenizer, _calibration(folder), _name(source, folder, model))


def _is_exclusive(config: Any) -> bool:
    if config.problem_type == "regression":
        raise ConfigError("judge.model: a regression model has no probabilities", "Name a classifier.")
    return bool(config.problem_type != "multi_label_classification" and config.num_labels > 1)


def _calibration(folder: Path) -> Calibration:
    path = folder / "calibration.json"
    if not path.is_file():
        return Calibration()
    try:
        calibration = msgspec.json.decode(path.read_bytes(), type=Calibration)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: {error}", 'It holds {"temperature": {label: number}}.') from error
    if wrong := [label for label, value in calibration.temperature.items() if value <= 0]:
        raise ConfigError(f"{path}: the temperature of {wrong[0]} is not above 0", "Train or calibrate again.")
    return calibration


def _name(source: str, folder: Path, model: Any) -> str:
    """Name and version: of a folder, from its content."""
    if not folder.is_dir():
        return f"{source}@{(model.config._commit_hash or 'unknown')[:8]}"
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
def _quietly() -> Iterator[None]:
    """Without the progress bars and warnings of `transformers`: whatever matters of them is an error of ours."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
