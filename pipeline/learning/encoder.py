"""Loads the model that a training starts from: a classifier of ours, or an encoder of others."""

from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer, BertForSequenceClassification

from pipeline.base.errors import ConfigError
from pipeline.judge.classifier import LATEST, commit_of, is_id
from pipeline.judge.onnx_classifier import MODEL
from pipeline.learning.model import HEAD
from pipeline.learning.restore import restored


@dataclass(frozen=True, slots=True)
class Encoder:
    """A classifier with a new or trained head, and the tokenizer that matches its embedding."""

    model: BertForSequenceClassification
    tokenizer: Tokenizer


def load(source: str) -> Encoder:
    """Loads a folder, or the hub id `owner/name@commit`. Raises ConfigError.

    A folder is `transformers` or `onnx` as a training writes them. The shipped model is an `onnx` folder.
    """
    place, commit = commit_of(source, "--encoder") if is_id(source) else (source, LATEST)
    try:
        model = _model(place, commit)
        tokenizer = AutoTokenizer.from_pretrained(place, revision=commit)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ConfigError(
            f"No encoder at {source}: {error}", "Name a folder or a hub id, or omit the option."
        ) from error
    return Encoder(model, tokenizer.backend_tokenizer)


def _model(source: str, commit: str) -> BertForSequenceClassification:
    if (Path(source) / MODEL).is_file():
        return restored(Path(source))
    return BertForSequenceClassification.from_pretrained(source, revision=commit, dtype=torch.float32, **HEAD)
