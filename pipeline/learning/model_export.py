"""Writes a trained model as two folders: `transformers/` to fine-tune further, and `onnx/` for the judge.

The ONNX model has 8 bits: less than half the size of float32, and twice as fast. Layers multiply whole numbers, for
which processors have had instructions since 2019 (VNNI, AMX). A layer's inputs are rounded for each token separately,
so a text has the same logits in any batch. A few inputs of this encoder are so large that they would hide the rest of
the token. These are multiplied without rounding.
"""

import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import torch
from onnx import ModelProto, NodeProto
from torch import Tensor
from torch.nn import Linear, Module
from torch.nn.functional import embedding
from torch.onnx.ops import symbolic
from transformers import BertForSequenceClassification, PreTrainedTokenizerFast

from pipeline.base.stopping import whole
from pipeline.judge.onnx_classifier import MODEL

INPUTS = ("input_ids", "attention_mask")
SIZES = {0: "texts", 1: "tokens"}
WHOLE = 127
"""The largest whole number in a rounded tensor."""
MIDDLE = torch.tensor(128, dtype=torch.uint8)
"""Represents 0 in the rounded inputs of a layer."""
ONE = torch.tensor(1.0)
LEAST = 1e-9  # of a scale, against a division by 0
LOUD = 4
"""How many inputs of each feed-forward layer are not rounded. On 400 texts the logits then differ from float32 by .07
(standard deviation): .09 with none, and no less with 16.
"""
PROBES = (160, 24)
"""Number and length of the texts of random pieces that find the largest inputs. Real texts have the same ones."""
SHARED = ("config.json", "tokenizer.json", "tokenizer_config.json")
CALIBRATION = "calibration.json"
THRESHOLDS = "thresholds.json"


def write_onnx(module: Module, example: tuple[Tensor, ...], path: Path, **options: Any) -> None:
    """Write `module` to `path`, as `torch.onnx.export` does with these options."""
    with without_export_warnings():
        torch.onnx.export(module, example, path, external_data=False, verbose=False, **options)
    model = ModelProto.FromString(path.read_bytes())
    for node in _nodes(model):
        del node.metadata_props[:]  # the source of each node, with the folders of this machine
    path.write_bytes(model.SerializeToString())


@contextmanager
def without_export_warnings() -> Iterator[None]:
    """Hides the exporter's warnings about its own shape names."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _nodes(model: ModelProto) -> Iterator[NodeProto]:
    yield from model.graph.node
    for function in model.functions:
        yield from function.node


class EmbeddingRows(Module):
    """An embedding in 8 bits with one scale for each row."""

    whole: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        whole, scale = rounded(weight)
        self.register_buffer("scale", scale)
        self.register_buffer("whole", whole)

    def forward(self, ids: Tensor) -> Tensor:
        return embedding(ids, self.whole) * embedding(ids, self.scale)


class Whole(Module):
    """A layer in 8 bits with one scale for each output. It can only be exported, not run."""

    whole: Tensor
    scale: Tensor

    def __init__(self, layer: Linear) -> None:
        super().__init__()
        whole, scale = rounded(layer.weight.detach())
        self.register_buffer("whole", whole.T.contiguous())
        self.register_buffer("scale", scale.squeeze(1))
        self.bias = layer.bias

    def forward(self, inputs: Tensor) -> Tensor:
        return self.product(inputs) + self.bias

    def product(self, inputs: Tensor) -> Tensor:
        # Dynamic quantisation: a scale for each token, so a text has the same logits in any batch.
        step = (inputs.abs().amax(dim=-1, keepdim=True) / WHOLE).clamp(min=LEAST)
        given = _operator("QuantizeLinear", (inputs / step, ONE, MIDDLE), torch.uint8, inputs.shape)
        shape = (*inputs.shape[:-1], len(self.scale))
        return _operator("MatMulInteger", (given, self.whole, MIDDLE), torch.int32, shape).float() * step * self.scale


class Loud(Module):
    """Like `Whole`, but the inputs at the places `loud` are multiplied without rounding."""

    loud: Tensor
    quiet: Tensor
    weight: Tensor

    def __init__(self, layer: Linear, loud: Tensor) -> None:
        super().__init__()
        quiet = torch.ones(layer.in_features).index_fill(0, loud, 0.0)
        self.register_buffer("loud", loud)
        self.register_buffer("quiet", quiet)
        self.register_buffer("weight", layer.weight.detach()[:, loud].T.contiguous())
        rest = deepcopy(layer)
        rest.weight.data *= quiet
        self.rest = Whole(rest)

    def forward(self, inputs: Tensor) -> Tensor:
        exact = inputs.index_select(-1, self.loud) @ self.weight
        return self.rest.product(inputs * self.quiet) + exact + self.rest.bias


class Logits(Module):
    """The model as a function of two tensors of shape (texts, tokens); it returns (texts, outputs)."""

    def __init__(self, model: BertForSequenceClassification) -> None:
        super().__init__()
        self._model = deepcopy(model).float().eval()
        loudness = _loudness(self._model)
        for name, layer in [*self._model.bert.encoder.named_modules()]:  # a list, because modules are replaced
            if isinstance(layer, Linear):
                self._model.bert.encoder.set_submodule(name, _small(name, layer, loudness[name]))
        embeddings = self._model.bert.embeddings
        embeddings.word_embeddings = EmbeddingRows(embeddings.word_embeddings.weight.detach())

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self._model(input_ids, attention_mask).logits
        return logits


def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Whole numbers, shape (rows, columns), and the scale of each row, shape (rows, 1)."""
    # Symmetric quantisation, with a scale for each row.
    scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=LEAST) / WHOLE
    return torch.round(weight / scale).to(torch.int8), scale


def export(model: BertForSequenceClassification, path: Path) -> None:
    """Write `model` to `path`, with weights in 8 bits. Layer inputs are rounded at run time."""
    names = {"input_names": INPUTS, "output_names": ["logits"]}
    write_onnx(Logits(model), _example(model), path, dynamic_shapes=dict.fromkeys(INPUTS, SIZES), **names)


def _operator(name: str, inputs: tuple[Tensor, ...], dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    """An ONNX operator that PyTorch does not have."""
    return symbolic(name, inputs, dtype=dtype, shape=shape)


def _small(name: str, layer: Linear, loudness: Tensor) -> Module:
    return Whole(layer) if "attention" in name else Loud(layer, loudness.topk(LOUD).indices.sort().values)


@torch.no_grad()
def _loudness(model: BertForSequenceClassification) -> dict[str, Tensor]:
    """The largest value of each input of each encoder layer, shape (inputs,)."""
    found: dict[str, Tensor] = {}

    def listen(name: str, layer: Linear) -> None:
        def hear(_: Module, given: tuple[Tensor, ...]) -> None:
            found[name] = given[0].abs().flatten(0, 1).amax(dim=0)

        hooks.append(layer.register_forward_pre_hook(hear))

    hooks: list[torch.utils.hooks.RemovableHandle] = []
    for name, layer in model.bert.encoder.named_modules():
        if isinstance(layer, Linear):
            listen(name, layer)
    model(torch.randint(model.config.vocab_size, PROBES, generator=torch.Generator().manual_seed(1)))
    for each in hooks:
        each.remove()
    return found


def _example(model: BertForSequenceClassification) -> tuple[Tensor, Tensor]:
    """Two texts, one of them padded."""
    # The exporter would treat sizes of 1 as constants.
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    return torch.full_like(mask, model.config.pad_token_id), mask


def save_transformers(folder: Path, model: BertForSequenceClassification, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write weights (float16), configuration and tokenizer in the format of `transformers`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.backend_tokenizer.no_truncation()  # Training texts are truncated, but the judge reads longer ones.
    with whole(folder) as new:
        model.save_pretrained(new, state_dict={name: values.half() for name, values in model.state_dict().items()})
        tokenizer.save_pretrained(new)


def convert_to_onnx(source: Path, target: Path) -> None:
    """Write the model of a `transformers` folder as ONNX."""
    target.mkdir(parents=True, exist_ok=True)
    model = BertForSequenceClassification.from_pretrained(source, attn_implementation="eager")
    export(model, target / MODEL)
    for name in SHARED:
        shutil.copy(source / name, target)


def write_json(path: Path, content: object) -> None:
    """Write JSON that a person can read."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
