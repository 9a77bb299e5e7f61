"""Writes a module of PyTorch as an ONNX file."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from onnx import ModelProto, NodeProto
from torch import Tensor
from torch.nn import Module


def write(module: Module, example: tuple[Tensor, ...], path: Path, **options: Any) -> None:
    """Write `module` to `path`, as `torch.onnx.export` does with these options.

    The exporter's notes about the source of each node are left out: they name the folders of this machine.
    """
    with quietly():
        torch.onnx.export(module, example, path, external_data=False, verbose=False, **options)
    model = ModelProto.FromString(path.read_bytes())
    for node in _nodes(model):
        del node.metadata_props[:]
    path.write_bytes(model.SerializeToString())


@contextmanager
def quietly() -> Iterator[None]:
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
