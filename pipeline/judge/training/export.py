"""A fine-tuned model as ONNX in 8 bits, for ONNX Runtime: half the size of float16, twice as fast as float32.

What a layer is given is rounded in blocks, each by its own largest value: a few places of this encoder have values so
large that one scale for all of them moves the logits by half a point and more.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import torch
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from torch import Tensor
from torch.nn.functional import embedding
from transformers import BertForSequenceClassification

INPUTS = ("input_ids", "attention_mask")
SIZES = {0: "texts", 1: "tokens"}
BLOCK = 64
"""Values that share a scale. Of 300 texts the logits are .07 from float32's so, .05 with 32 at 7/8 of the speed."""
WHOLE = 127
"""The largest whole number that a weight becomes."""
BY_BLOCKS = 4
"""ONNX Runtime's name for products of 8-bit weights with 8-bit inputs; the others unpack the weights, and are slow."""


class Rows(torch.nn.Module):
    """An embedding in 8 bits, one scale a row."""

    whole: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-9) / WHOLE
        self.register_buffer("scale", scale)
        self.register_buffer("whole", torch.round(weight / scale).to(torch.int8))

    def forward(self, ids: Tensor) -> Tensor:
        return embedding(ids, self.whole) * embedding(ids, self.scale)


class Logits(torch.nn.Module):
    """The model as a function of two tensors, (texts, tokens) each, to one, (texts, outputs)."""

    def __init__(self, model: BertForSequenceClassification) -> None:
        super().__init__()
        self._model = deepcopy(model).float().eval()
        embeddings = self._model.bert.embeddings
        embeddings.word_embeddings = Rows(embeddings.word_embeddings.weight.detach())

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self._model(input_ids, attention_mask).logits
        return logits


def export(model: BertForSequenceClassification, path: Path) -> None:
    """Write `model` to `path`: weights in 8 bits; the inputs of a layer are quantised as they come."""
    with TemporaryDirectory() as folder, _quietly():
        exact = Path(folder) / "exact.onnx"
        torch.onnx.export(
            Logits(model),
            _example(model),
            exact,
            input_names=INPUTS,
            output_names=["logits"],
            dynamic_shapes=dict.fromkeys(INPUTS, SIZES),
            external_data=False,
            verbose=False,
        )
        small = MatMulNBitsQuantizer(
            onnx.load(exact), bits=8, block_size=BLOCK, is_symmetric=True, accuracy_level=BY_BLOCKS
        )
        small.process()
        small.model.save_model_to_file(str(path))


def _example(model: BertForSequenceClassification) -> tuple[Tensor, Tensor]:
    """Two texts of which one is padded: sizes of 1 would be taken for constants."""
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    return torch.full_like(mask, model.config.pad_token_id), mask


@contextmanager
def _quietly() -> Iterator[None]:
    """The exporter warns of its own shape names, the quantiser of what it leaves as it is."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
