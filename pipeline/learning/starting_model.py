"""Loads the model that a training starts from: a classifier of ours, or an encoder of others.

Our 8-bit ONNX models become PyTorch models again, up to rounding: the inverse of `model_export.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import GraphProto, numpy_helper
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

from pipeline.base.errors import ConfigError
from pipeline.judge.classifier import LATEST, commit_of, is_id
from pipeline.judge.classifier_text import MAX_TOKENS
from pipeline.judge.onnx_classifier import MODEL
from pipeline.learning.training_rows import OUTPUTS

SPECIAL = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
}


HEAD: dict[str, Any] = {
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "classifier_dropout": 0.0,
    "attn_implementation": "eager",
    "problem_type": "multi_label_classification",
    "id2label": dict(enumerate(OUTPUTS)),
    "label2id": {output: at for at, output in enumerate(OUTPUTS)},
}
"""One output for each label. There is no dropout, because recognition errors are noise enough. Eager attention trains
fastest on CPUs.
"""
PREFIX = "_model."
ENCODER = f"{PREFIX}bert.encoder."
EMBEDDING = "bert.embeddings.word_embeddings"
WHOLE_NAME = ".whole"
Arrays = Mapping[str, NDArray[np.generic]]


def new_model(body: BertModel) -> BertForSequenceClassification:
    """A classifier from `body` with a new head."""
    model = BertForSequenceClassification(BertConfig(**body.config.to_dict() | HEAD))
    model.bert.load_state_dict(body.state_dict(), strict=False)
    return model


def wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=MAX_TOKENS, **SPECIAL)


def restored(folder: Path) -> BertForSequenceClassification:
    """The model that `export` wrote into `folder`; raises ValueError or KeyError for other models.

    The exporter merges equal biases, so an untrained model cannot be restored.
    """
    arrays = {each.name: numpy_helper.to_array(each) for each in _graph(folder / MODEL).initializer}
    model = BertForSequenceClassification(BertConfig.from_pretrained(folder, **HEAD))
    state = dict(_plain(arrays)) | dict(_layers(arrays)) | {f"{EMBEDDING}.weight": _embedding(arrays)}
    missing, _ = model.load_state_dict(state, strict=False)
    if missing:
        raise ValueError(f"{MODEL} is not a model of this project: it lacks {', '.join(missing[:3])}")
    return model


def _graph(path: Path) -> GraphProto:
    try:
        return onnx.load(path).graph
    except Exception as error:  # protobuf's errors have no common type
        raise ValueError(f"{path} is not an ONNX model") from error


def _plain(arrays: Arrays) -> Iterator[tuple[str, Tensor]]:
    """The tensors that are not rounded."""
    for name, values in arrays.items():
        if name.startswith(PREFIX):
            yield name.removeprefix(PREFIX), torch.tensor(values)


def _embedding(arrays: Arrays) -> Tensor:
    whole, scale = (torch.tensor(arrays[f"{PREFIX}{EMBEDDING}.{part}"]) for part in ("whole", "scale"))
    return whole.float() * scale  # the inverse of `model_export.rounded`


def _layers(arrays: Arrays) -> Iterator[tuple[str, Tensor]]:
    """Weights, shape (outputs, inputs), and biases of the layers in whole numbers."""
    for name in arrays:
        if name.startswith(ENCODER) and name.endswith(WHOLE_NAME):
            stem = name.removesuffix(WHOLE_NAME)
            layer = stem.removesuffix(".rest")
            whole = torch.tensor(arrays[name])
            weight = whole.float() * torch.tensor(arrays[f"{stem}.scale"])
            if layer != stem:
                # The exporter drops names of equal tensors, such as the places of loud inputs. Their rows are 0.
                weight[~whole.any(dim=1)] = torch.tensor(arrays[f"{layer}.weight"])
            yield f"{layer.removeprefix(PREFIX)}.weight", weight.T
            yield f"{layer.removeprefix(PREFIX)}.bias", torch.tensor(arrays[f"{stem}.bias"])


@dataclass(frozen=True, slots=True)
class Encoder:
    """A classifier with a new or trained head, and the tokenizer that matches its embedding."""

    model: BertForSequenceClassification
    tokenizer: Tokenizer


def load_encoder(source: str) -> Encoder:
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
