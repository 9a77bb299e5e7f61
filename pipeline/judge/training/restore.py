"""A model in 8 bits as PyTorch's again: the inverse of export.py, as far as rounding allows, to train it on."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, numpy_helper
from onnx.helper import get_node_attr_value
from torch import Tensor
from transformers import BertConfig, BertForSequenceClassification

from pipeline.judge.onnx import MODEL
from pipeline.judge.training.model import HEAD

PREFIX = "_model."
EMBEDDING = "bert.embeddings.word_embeddings"
MIDDLE = 128
"""What stands for 0 among the whole numbers of a layer."""

Arrays = Mapping[str, NDArray[np.generic]]


def restored(folder: Path) -> BertForSequenceClassification:
    """The model that `export` wrote into `folder`; raises ValueError or KeyError for any other."""
    graph = _graph(folder / MODEL)
    arrays = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    model = BertForSequenceClassification(BertConfig.from_pretrained(folder, **HEAD))
    state = dict(_plain(arrays)) | dict(_layers([*graph.node], arrays)) | {f"{EMBEDDING}.weight": _embedding(arrays)}
    missing, _ = model.load_state_dict(state, strict=False)
    if missing:
        raise ValueError(f"{MODEL} is not one of ours: it lacks {', '.join(missing[:3])}")
    return model


def _graph(path: Path) -> GraphProto:
    try:
        return onnx.load(path).graph
    except Exception as error:  # protobuf's errors have no types
        raise ValueError(f"{path} is no ONNX model") from error


def _plain(arrays: Arrays) -> Iterator[tuple[str, Tensor]]:
    """What was left as it is."""
    for name, values in arrays.items():
        if name.startswith(PREFIX):
            yield name.removeprefix(PREFIX), torch.tensor(values)


def _embedding(arrays: Arrays) -> Tensor:
    whole, scale = (torch.tensor(arrays[f"{PREFIX}{EMBEDDING}.{part}"]) for part in ("whole", "scale"))
    return whole.float() * scale


def _layers(nodes: list[NodeProto], arrays: Arrays) -> Iterator[tuple[str, Tensor]]:
    """The exporter drops a layer's name, but not that of the bias which its product is added to.

    Of biases that are alike it keeps one: an untrained model cannot be restored.
    """
    biases = {given: other for node in nodes if node.op_type == "Add" for given, other in _both_ways(node)}
    for node in nodes:
        if node.op_type == "MatMulNBits":
            _, whole, scale = node.input
            name = biases[node.output[0]].removeprefix(PREFIX).removesuffix("bias")
            inputs = get_node_attr_value(node, "K")
            yield f"{name}weight", _weight(arrays[whole], arrays[scale])[:, :inputs]


def _both_ways(node: NodeProto) -> list[tuple[str, str]]:
    one, other = node.input
    return [(one, other), (other, one)]


def _weight(whole: NDArray[np.generic], scale: NDArray[np.generic]) -> Tensor:
    """Of blocks (outputs, blocks, values) with a scale each: (outputs, inputs), as many as fill the blocks."""
    values = torch.tensor(whole).float() - MIDDLE
    return (values * torch.tensor(scale).reshape(*values.shape[:2], 1)).flatten(1)
