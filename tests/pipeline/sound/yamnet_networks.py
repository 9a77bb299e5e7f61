"""Small networks in the form of YAMNet. LiteRT runs them as it runs the real one, which no test can download."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.sound.yamnet_detector import CLASSES, SAMPLES

LOUD = 0.2
"""Mean square from which the networks hear their classes with a score above a half. No speech of the tests has it."""
STEEPNESS = 200.0


def write(
    path: Path,
    classes: Collection[int] = (),
    shape: Sequence[int] = (SAMPLES,),
    known: int = CLASSES,
    unsized: bool = False,
) -> Path:
    """Write a network of `known` classes that hears loud sound as `classes`. Its input's length may be left open."""
    weights = np.zeros((known, 1), np.float32)
    weights[[*classes]] = STEEPNESS
    bias = np.full(known, -STEEPNESS * LOUD, np.float32)
    samples = [*shape]
    tensors = [
        _tensor("waveform", samples, signature=[-1] if unsized else samples),
        _tensor("squares", samples),
        _tensor("axis", [1], 1, schema.TensorType.INT32),
        _tensor("power", [1]),
        _tensor("weights", [known, 1], 2),
        _tensor("bias", [known], 3),
        _tensor("logits", [1, known]),
        _tensor("scores", [1, known]),
    ]
    mean = schema.ReducerOptionsT()
    mean.keepDims = True
    codes, options = schema.BuiltinOperator, schema.BuiltinOptions
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs = tensors, [0], [7]
    graph.operators = [
        _operator(0, [0, 0], 1, options.MulOptions, schema.MulOptionsT()),
        _operator(1, [1, 2], 3, options.ReducerOptions, mean),
        _operator(2, [3, 4, 5], 6, options.FullyConnectedOptions, schema.FullyConnectedOptionsT()),
        _operator(3, [6], 7, options.NONE, None),
    ]
    model = schema.ModelT()
    model.version = 3
    model.operatorCodes = [_code(each) for each in (codes.MUL, codes.MEAN, codes.FULLY_CONNECTED, codes.LOGISTIC)]
    model.subgraphs = [graph]
    model.buffers = [_buffer(each) for each in (b"", np.array([len(samples) - 1], np.int32), weights, bias)]
    builder = flatbuffers.Builder(1_024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def _tensor(
    name: str, shape: Sequence[int], buffer: int = 0, type_: int = schema.TensorType.FLOAT32, signature: Any = None
) -> Any:
    made = schema.TensorT()
    made.name, made.shape, made.buffer, made.type, made.shapeSignature = name, [*shape], buffer, type_, signature
    return made


def _operator(code: int, inputs: Sequence[int], output: int, kind: int, options: Any) -> Any:
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = code, [*inputs], [output]
    made.builtinOptionsType, made.builtinOptions = kind, options
    return made


def _code(number: int) -> Any:
    made = schema.OperatorCodeT()
    made.builtinCode = made.deprecatedBuiltinCode = number
    made.version = 1
    return made


def _buffer(content: Any) -> Any:
    made = schema.BufferT()
    made.data = np.frombuffer(bytes(content), np.uint8) if len(content) else None
    return made
