"""Make the shipped voice model of the weights that the package Resemblyzer publishes.

    pip download --no-deps Resemblyzer==0.1.4 && unzip Resemblyzer-*.whl resemblyzer/pretrained.pt
    python -m training.sound.voice --weights resemblyzer/pretrained.pt [--out FILE]

The weights of the first layer become 16 bits, because its input has a wide range. The others become 8 bits, with a
scale for each row of a matrix. The second and the third layer multiply in 8 bits, too, which is twice as fast.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pipeline.sound.voice_embedding import BANDS, FRAMES, MODEL, SIZE
from training.commands import errors_in_a_line

LAYERS = 3
OPSET = 17
IR = 9
CONTRIBUTED = "com.microsoft"
"""The domain of ONNX Runtime's own operators. All its builds for CPUs have `DynamicQuantizeLSTM`."""
Weights = NDArray[np.float32]


def export(weights: Mapping[str, torch.Tensor], out: Path) -> None:
    """Write the LSTM and the linear layer of `weights`, named as in Resemblyzer, as an ONNX model."""
    graph = _Graph()
    value = "powers"
    for layer in range(LAYERS):
        value = graph.lstm(layer, value, [_array(weights[f"lstm.{name}_l{layer}"]) for name in _LSTM])
    graph.head(value, _array(weights["linear.weight"]), _array(weights["linear.bias"]))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "voice",
            [helper.make_tensor_value_info("powers", TensorProto.FLOAT, [FRAMES, "batch", BANDS])],
            [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["batch", SIZE])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIBUTED, 1)],
        ir_version=IR,
        producer_name="voxwarden",
    )
    onnx.checker.check_model(model, full_check=True)
    out.write_bytes(model.SerializeToString())


_LSTM = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class _Graph:
    """The nodes and the constants of the model."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def lstm(self, layer: int, value: str, weights: list[Weights]) -> str:
        """Add a layer. Return the name of its states, shape (frames, batch, SIZE), or of the last one."""
        into, over, first_bias, second_bias = (_onnx_gates(each) for each in weights)
        bias = self._constant(f"bias{layer}", np.concatenate([first_bias, second_bias])[None])
        last = layer == LAYERS - 1
        outputs = ["", "hidden"] if last else [f"states{layer}"]
        if layer == 0:
            names = [self._half("into0", into[None]), self._half("over0", over[None])]
            self._node("LSTM", [value, *names, bias], outputs, hidden_size=SIZE)
        else:
            into8, *into_scale = self._columns(f"into{layer}", into)
            over8, *over_scale = self._columns(f"over{layer}", over)
            inputs = [value, into8, over8, bias, *[""] * 4, *into_scale, *over_scale]
            self._node("DynamicQuantizeLSTM", inputs, outputs, hidden_size=SIZE, domain=CONTRIBUTED)
        if last:
            self._node("Squeeze", ["hidden", self._constant("first", np.array([0]))], ["last"])
            return "last"
        self._node("Squeeze", [f"states{layer}", self._constant(f"direction{layer}", np.array([1]))], [f"out{layer}"])
        return f"out{layer}"

    def head(self, value: str, weight: Weights, bias: Weights) -> None:
        """Add the linear layer, and scale its positive part to the length 1."""
        names = [self._bytes("linear", weight), self._constant("linear_bias", bias)]
        self._node("Gemm", [value, *names], ["raw"], transB=1)
        self._node("Relu", ["raw"], ["positive"])
        self._node("LpNormalization", ["positive"], ["embeddings"], axis=1, p=2)

    def _bytes(self, name: str, values: Weights) -> str:
        """Add a matrix of 8 bits, shape (rows, columns). Return the name of its values."""
        whole, scales = _rounded(values)
        inputs = [self._constant(f"{name}_8bit", whole), self._constant(f"{name}_scale", scales)]
        self._node("DequantizeLinear", inputs, [name], axis=0)
        return name

    def _columns(self, name: str, values: Weights) -> tuple[str, str, str]:
        """Add a matrix of 8 bits, shape (rows, columns), as its columns. Return the names of it, its scales and 0."""
        whole, scales = _rounded(values)
        parts: dict[str, NDArray[Any]] = {"8bit": whole.T, "scale": scales, "zero": np.zeros(len(scales), np.int8)}
        weights, scale, zero = (self._constant(f"{name}_{part}", each[None]) for part, each in parts.items())
        return weights, scale, zero

    def _half(self, name: str, values: Weights) -> str:
        """Add an array of 16 bits. Return the name of its values."""
        stored = self._constant(f"{name}_16bit", values.astype(np.float16))
        self._node("Cast", [stored], [name], to=TensorProto.FLOAT)
        return name

    def _constant(self, name: str, values: NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _node(self, kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, outputs, **attributes))


def _rounded(values: Weights) -> tuple[NDArray[np.int8], Weights]:
    """A matrix in 8 bits, and the scale of each row."""
    scales = np.abs(values).max(axis=1) / np.float32(127)
    return np.rint(values / scales[:, None]).astype(np.int8), scales


def _array(tensor: torch.Tensor) -> Weights:
    found: Weights = tensor.detach().numpy().astype(np.float32)
    return found


def _onnx_gates(rows: Weights) -> Weights:
    """The rows of the four gates in the order of ONNX. PyTorch has: input, forget, cell, output."""
    into, forget, cell, output = np.split(rows, 4)
    return np.concatenate([into, output, forget, cell])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="pretrained.pt of the package Resemblyzer")
    parser.add_argument("--out", type=Path, default=MODEL, help="the model's file")
    options = parser.parse_args()
    with errors_in_a_line():
        # The file also holds plain numbers and the state of the optimizer, but no code.
        stored = torch.load(options.weights, map_location="cpu", weights_only=True)
        export(stored["model_state"], options.out)


if __name__ == "__main__":
    main()
