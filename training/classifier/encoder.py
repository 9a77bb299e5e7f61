"""Loads the model that training starts from: multilingual-e5-small (Wang et al. 2024, MIT) or a classifier of ours."""

from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer, BertForSequenceClassification

from pipeline.errors import ConfigError
from pipeline.judge.hub import LATEST, commit_of, is_id
from pipeline.judge.onnx import MODEL
from training.classifier import packaged
from training.classifier.model import HEAD, new_model
from training.classifier.restore import restored


@dataclass(frozen=True, slots=True)
class Encoder:
    """A classifier with a new or trained head, and the tokenizer that matches its embedding."""

    model: BertForSequenceClassification
    tokenizer: Tokenizer


def check(source: str | None = None) -> None:
    """Raise ConfigError where `load` would, but without reading the packaged encoder, which takes seconds."""
    if source is None:
        packaged.file()
    else:
        load(source)


def load(source: str | None = None) -> Encoder:
    """Loads a folder, or the hub id `owner/name@commit`. None: the packaged encoder. Raises ConfigError.

    A folder is `transformers` or `onnx` as a training writes them. The shipped model is an `onnx` folder.
    """
    if source is None:
        weights = packaged.read()
        return Encoder(new_model(packaged.body(weights)), packaged.unigram(weights.pieces))
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
