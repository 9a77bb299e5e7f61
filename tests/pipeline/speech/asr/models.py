"""Very small Whisper models with random weights, as files of both formats."""

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from whisper.model import ModelDimensions, Whisper

from pipeline.speech.asr.ctranslate2_weights import DTYPES

CODES = {np.dtype(dtype): code for code, dtype in DTYPES.items()}


def little_whisper(vocabulary: int = 40) -> Whisper:
    """Random weights that float16 represents exactly, except for the sinusoids."""
    torch.manual_seed(1)
    model = Whisper(ModelDimensions(80, 1500, 8, 2, 2, vocabulary, 448, 8, 2, 2))
    rounded = {name: tensor.half().float() for name, tensor in model.state_dict().items()}
    rounded["decoder.positional_embedding"] = torch.rand(448, 8).half().float()
    model.load_state_dict(rounded)
    return model


def save_pt(model: Whisper, path: Path) -> None:
    torch.save({"dims": vars(model.dims), "model_state_dict": model.state_dict()}, path)


def ct2_bytes(variables: Mapping[str, NDArray[np.generic]], aliases: Mapping[str, str] | None = None) -> bytes:
    """A `model.bin` in CTranslate2's format."""
    out = struct.pack("<I", 6) + _text("WhisperSpec") + struct.pack("<II", 3, len(variables))
    for name, array in variables.items():
        out += _text(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        out += struct.pack("<BI", CODES[array.dtype], array.nbytes) + array.tobytes()
    aliases = aliases or {}
    return out + struct.pack("<I", len(aliases)) + b"".join(_text(text) for pair in aliases.items() for text in pair)


def ct2_variables(model: Whisper) -> dict[str, NDArray[np.generic]]:
    """The model's weights in float16, with CTranslate2's names and stacked projections."""
    state = {name: tensor.numpy().astype(np.float16) for name, tensor in model.state_dict().items()}
    zeros = np.zeros(model.dims.n_text_state, np.float16)
    found: dict[str, NDArray[np.generic]] = {}

    def put(key: str, name: str, weight: str = "weight", bias: str = "bias") -> None:
        found[f"{key}/{weight}"], found[f"{key}/{bias}"] = state[f"{name}.weight"], state[f"{name}.bias"]

    def stack(key: str, name: str, *projections: str) -> None:
        found[f"{key}/weight"] = np.concatenate([state[f"{name}.{part}.weight"] for part in projections])
        found[f"{key}/bias"] = np.concatenate([state.get(f"{name}.{part}.bias", zeros) for part in projections])

    def attention(key: str, name: str, norm: str, *, crossed: bool) -> None:
        put(f"{key}/layer_norm", norm, "gamma", "beta")
        if crossed:
            put(f"{key}/linear_0", f"{name}.query")
            stack(f"{key}/linear_1", name, "key", "value")
        else:
            stack(f"{key}/linear_0", name, "query", "key", "value")
        put(f"{key}/linear_{2 if crossed else 1}", f"{name}.out")

    for side, ln in (("encoder", "ln_post"), ("decoder", "ln")):
        found[f"{side}/num_heads"] = np.array(2, np.int16)
        found[f"{side}/position_encodings/encodings"] = state[f"{side}.positional_embedding"]
        put(f"{side}/layer_norm", f"{side}.{ln}", "gamma", "beta")
        for layer in range(2):
            key, name = f"{side}/layer_{layer}", f"{side}.blocks.{layer}"
            attention(f"{key}/self_attention", f"{name}.attn", f"{name}.attn_ln", crossed=False)
            put(f"{key}/ffn/layer_norm", f"{name}.mlp_ln", "gamma", "beta")
            put(f"{key}/ffn/linear_0", f"{name}.mlp.0")
            put(f"{key}/ffn/linear_1", f"{name}.mlp.2")
            if side == "decoder":
                attention(f"{key}/attention", f"{name}.cross_attn", f"{name}.cross_attn_ln", crossed=True)
    for conv in ("conv1", "conv2"):
        put(f"encoder/{conv}", f"encoder.{conv}")
    found["decoder/embeddings/weight"] = state["decoder.token_embedding.weight"]
    return found


def _text(text: str) -> bytes:
    raw = text.encode() + b"\0"
    return struct.pack("<H", len(raw)) + raw
