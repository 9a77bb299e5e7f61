"""What training starts from: multilingual-e5-small (Wang et al. 2024, MIT), or a classifier of ours, to train on."""

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
    """A classifier, its head new or trained, and the tokenizer whose ids its embedding has rows for."""

    model: BertForSequenceClassification
    tokenizer: Tokenizer


def check(source: str | None = None) -> None:
    """Raise ConfigError where `load` would, without reading the packaged encoder, which takes seconds."""
    if source is None:
        packaged.file()
    else:
        load(source)


def load(source: str | None = None) -> Encoder:
    """The encoder in the folder, or under the hub id `owner/name@commit`; None: the packaged one. Raises ConfigError.

    A folder is either of the two that a training writes: `onnx`, such as the shipped model's, is enough to train it on.
    """
    if source is None:
        weights = packaged.read()
        return Encoder(new_model(packaged.body(weights)), packaged.unigram(weights.pieces))
    place, commit = commit_of(source, "--encoder") if is_id(source) else (source, LATEST)
    try:
        model = _model(place, commit)
        tokenizer = AutoTokenizer.from_pretrained(place, revision=commit)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ConfigError(f"No encoder at {source}: {error}", "Name a folder or hub id, or leave it out.") from error
    return Encoder(model, tokenizer.backend_tokenizer)


def _model(source: str, commit: str) -> BertForSequenceClassification:
    if (Path(source) / MODEL).is_file():
        return restored(Path(source))
    return BertForSequenceClassification.from_pretrained(source, revision=commit, dtype=torch.float32, **HEAD)
