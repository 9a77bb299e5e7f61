"""The weights of a classifier in ONNX that `pipeline/learning/model_export.py` wrote, in `transformers` for a GPU.

They stay the same numbers. Only the inputs of the layers are not rounded there, so logits differ a little.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from pipeline.base.gpu_memory import to_device
from pipeline.judge.classifier_text import Tokens
from pipeline.judge.model_outputs import load_calibration
from pipeline.judge.onnx_classifier import MODEL, Config, name_of
from pipeline.judge.transformers_model import TransformersClassifier, quietly

PREFIX = "_model."

Array = NDArray[Any]

log = logging.getLogger(__name__)


class ConvertedClassifier(TransformersClassifier):
    """Reads a text with the speech before it, as `OnnxClassifier` does."""

    def __init__(self, model: Any, tokenizer: Any, tokens: Tokens, config: Config, folder: Path) -> None:
        super().__init__(model, tokenizer, config.labels, load_calibration(folder), name_of(folder), exclusive=False)
        self.context = config.context
        self._tokens = tokens

    def _rows(self, texts: Sequence[str]) -> list[list[int]]:
        return self._tokens.of(texts)


def load_converted(folder: Path, device: str) -> ConvertedClassifier | None:
    """The model in `folder` on `device`. None, with a warning, if it is no BERT that `model_export` wrote."""
    config = msgspec.json.decode((folder / "config.json").read_bytes(), type=Config)
    try:
        with quietly():
            model = AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(folder))
            model.load_state_dict(dict(weights_of(onnx.load(folder / MODEL).graph)))
            tokenizer = AutoTokenizer.from_pretrained(folder)
    except (KeyError, RuntimeError, ValueError) as error:
        log.warning("The CPU runs judge.model: its weights in %s cannot be converted: %s", folder, type(error).__name__)
        return None
    tokens = Tokens(Tokenizer.from_file(str(folder / "tokenizer.json")))
    return ConvertedClassifier(to_device(model, device).eval(), tokenizer, tokens, config, folder)


def weights_of(graph: onnx.GraphProto) -> Iterator[tuple[str, torch.Tensor]]:
    """The weights by their names in `transformers`, in float32."""
    held = {each.name.removeprefix(PREFIX): onnx.numpy_helper.to_array(each) for each in graph.initializer}
    loud = dict(_loud(graph, held))
    for name, array in held.items():
        place, _, kind = name.rpartition(".")
        layer = place.removesuffix(".rest")
        if kind == "whole":
            yield f"{layer}.weight", torch.from_numpy(_whole(array, held[f"{place}.scale"], loud.get(layer)))
        elif kind == "bias" or (kind == "weight" and layer not in loud):
            yield f"{layer}.{kind}", torch.from_numpy(array.astype(np.float32))


def _whole(rounded: Array, scale: Array, loud: tuple[Array, Array] | None) -> Array:
    """A layer's weight, shape (outputs, inputs), or that of an embedding. `loud`: inputs, and their exact weights."""
    weight: Array = rounded.astype(np.float32) * scale
    if scale.ndim > 1:  # an embedding has a scale for each row
        return weight
    if loud is not None:
        weight[loud[0]] = loud[1]
    return np.ascontiguousarray(weight.T)


def _loud(graph: onnx.GraphProto, held: Mapping[str, Array]) -> Iterator[tuple[str, tuple[Array, Array]]]:
    """The layers with inputs that are not rounded: the places of these inputs, and their weights."""
    selected = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "Gather"}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[0] in selected:
            name = node.input[1].removeprefix(PREFIX)
            yield name.removesuffix(".weight"), (held[selected[node.input[0]]], held[name])
