"""A fine-tuned model as ONNX in 8 bits, for ONNX Runtime: less than half the size of float32, and twice as fast.

Layers multiply whole numbers, as processors have had instructions for since 2019 (VNNI, AMX). What a layer is given is
rounded token by token, so that a text has the same logits in any company. A few places of this encoder hold values so
large that the rest of a token would be lost beside them: these few are multiplied as they are.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import Linear, Module
from torch.nn.functional import embedding
from torch.onnx.ops import symbolic
from transformers import BertForSequenceClassification

INPUTS = ("input_ids", "attention_mask")
SIZES = {0: "texts", 1: "tokens"}
WHOLE = 127
"""The largest whole number that a value becomes."""
MIDDLE = torch.tensor(128, dtype=torch.uint8)
"""What stands for 0 among the whole numbers that a layer is given."""
ONE = torch.tensor(1.0)
LEAST = 1e-9
LOUD = 4
"""Places that are left as they are, of what each layer of a feed-forward network is given. Of 400 texts the logits are
.07 (standard deviation) from float32's so, .09 with none, no nearer with 16."""
PROBES = (160, 24)
"""Texts of random pieces, and the length of each, that show which places are loud: the same ones as in real texts."""


class Rows(Module):
    """An embedding in 8 bits, one scale a row."""

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
    """A layer in 8 bits, one scale an output; not for running, only to be exported."""

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
        step = (inputs.abs().amax(dim=-1, keepdim=True) / WHOLE).clamp(min=LEAST)
        given = _operator("QuantizeLinear", (inputs / step, ONE, MIDDLE), torch.uint8, inputs.shape)
        shape = (*inputs.shape[:-1], len(self.scale))
        return _operator("MatMulInteger", (given, self.whole, MIDDLE), torch.int32, shape).float() * step * self.scale


class Loud(Module):
    """The same for a layer that is given a few values much larger than the others, at the places `loud`."""

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
    """The model as a function of two tensors, (texts, tokens) each, to one, (texts, outputs)."""

    def __init__(self, model: BertForSequenceClassification) -> None:
        super().__init__()
        self._model = deepcopy(model).float().eval()
        loudness = _loudness(self._model)
        for name, layer in [*self._model.bert.encoder.named_modules()]:
            if isinstance(layer, Linear):
                self._model.bert.encoder.set_submodule(name, _small(name, layer, loudness[name]))
        embeddings = self._model.bert.embeddings
        embeddings.word_embeddings = Rows(embeddings.word_embeddings.weight.detach())

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self._model(input_ids, attention_mask).logits
        return logits


def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Whole numbers (rows, columns), and the scale of each row (rows, 1)."""
    scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=LEAST) / WHOLE
    return torch.round(weight / scale).to(torch.int8), scale


def export(model: BertForSequenceClassification, path: Path) -> None:
    """Write `model` to `path`: weights in 8 bits; the inputs of a layer are rounded as they come."""
    with _quietly():
        torch.onnx.export(
            Logits(model),
            _example(model),
            path,
            input_names=INPUTS,
            output_names=["logits"],
            dynamic_shapes=dict.fromkeys(INPUTS, SIZES),
            external_data=False,
            verbose=False,
        )


def _operator(name: str, inputs: tuple[Tensor, ...], dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    """One of ONNX that PyTorch has no name for."""
    return symbolic(name, inputs, dtype=dtype, shape=shape)


def _small(name: str, layer: Linear, loudness: Tensor) -> Module:
    return Whole(layer) if "attention" in name else Loud(layer, loudness.topk(LOUD).indices.sort().values)


@torch.no_grad()
def _loudness(model: BertForSequenceClassification) -> dict[str, Tensor]:
    """The largest value at each place (inputs,) of what each layer of the encoder is given."""
    found: dict[str, Tensor] = {}

    def listen(name: str, layer: Linear) -> None:
        def hear(_: Module, given: tuple[Tensor, ...]) -> None:
            found[name] = given[0].abs().flatten(0, 1).amax(dim=0)

        heard.append(layer.register_forward_pre_hook(hear))

    heard: list[torch.utils.hooks.RemovableHandle] = []
    for name, layer in model.bert.encoder.named_modules():
        if isinstance(layer, Linear):
            listen(name, layer)
    model(torch.randint(model.config.vocab_size, PROBES, generator=torch.Generator().manual_seed(1)))
    for each in heard:
        each.remove()
    return found


def _example(model: BertForSequenceClassification) -> tuple[Tensor, Tensor]:
    """Two texts of which one is padded: sizes of 1 would be taken for constants."""
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    return torch.full_like(mask, model.config.pad_token_id), mask


@contextmanager
def _quietly() -> Iterator[None]:
    """The exporter warns of its own shape names."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
