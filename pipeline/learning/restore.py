"""Loads an 8-bit model into PyTorch to train it further: the inverse of export.py, up to rounding."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import GraphProto, numpy_helper
from torch import Tensor
from transformers import BertConfig, BertForSequenceClassification

from pipeline.judge.onnx_classifier import MODEL
from pipeline.learning.model import HEAD

PREFIX = "_model."
ENCODER = f"{PREFIX}bert.encoder."
EMBEDDING = "bert.embeddings.word_embeddings"
WHOLE = ".whole"

Arrays = Mapping[str, NDArray[np.generic]]


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
    return whole.float() * scale


def _layers(arrays: Arrays) -> Iterator[tuple[str, Tensor]]:
    """Weights, shape (outputs, inputs), and biases of the layers in whole numbers.

    The exporter drops the names of equal tensors, such as the rows of loud inputs. Those rows are all 0.
    """
    for name in arrays:
        if name.startswith(ENCODER) and name.endswith(WHOLE):
            stem = name.removesuffix(WHOLE)
            layer = stem.removesuffix(".rest")
            whole = torch.tensor(arrays[name])
            weight = whole.float() * torch.tensor(arrays[f"{stem}.scale"])
            if layer != stem:
                weight[~whole.any(dim=1)] = torch.tensor(arrays[f"{layer}.weight"])
            yield f"{layer.removeprefix(PREFIX)}.weight", weight.T
            yield f"{layer.removeprefix(PREFIX)}.bias", torch.tensor(arrays[f"{stem}.bias"])
