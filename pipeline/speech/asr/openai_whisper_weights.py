"""Loads weights from disk as an openai-whisper model."""

import copy
import json
import re
from collections.abc import Iterator

import numpy as np
import torch
import whisper
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Parameter
from whisper.model import ModelDimensions, Whisper

from pipeline.base.errors import WeightsCorrupt
from pipeline.base.gpu_memory import to_device
from pipeline.speech.asr import ctranslate2_weights
from pipeline.speech.asr.whisper_adapter import PLACES, Adapter
from pipeline.speech.asr.whisper_weights import WhisperWeights


def model_of(weights: WhisperWeights, device: str) -> Whisper:
    """Load the model to `device` in float32.

    Raises WeightsCorrupt if the files are not a Whisper model, DependencyError if the device is out of memory.
    """
    try:
        model = _openai(weights) if weights.kind == "openai" else _ctranslate2(weights)
    except WeightsCorrupt:  # its message is more exact
        raise
    except Exception as error:  # for other bytes than a checkpoint, an unpickler can raise any error
        raise WeightsCorrupt(
            f"No Whisper model can be read from the weights {weights.name!r}",
            "Use an openai-whisper checkpoint (.pt), or a CTranslate2 folder in float16 or float32.",
        ) from error
    return to_device(model, device).eval()


def adapted(model: Whisper, adapter: Adapter) -> Whisper:
    """A copy of `model` with an adapter's additions. It shares all other weights with `model`."""
    other = sharing(model)
    for place, addition in adapter.additions():
        side, layer, where = place.split("/", 2)
        block, names = other.get_submodule(side).blocks[int(layer.removeprefix("layer_"))], PLACES[side][where]
        for name, part in zip(names, np.split(addition, len(names)), strict=True):
            module = block.get_submodule(name)
            module.weight = Parameter(module.weight + torch.from_numpy(part).to(module.weight))
    return other


def sharing(model: Whisper) -> Whisper:
    """A copy of the modules of `model` that shares all its weights."""
    # `deepcopy` takes what is in its memo as copied, so it keeps these tensors.
    return copy.deepcopy(model, {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())})


def _openai(weights: WhisperWeights) -> Whisper:
    (path,) = weights.files["model.pt"]
    model = whisper.load_model(str(path), device="cpu")
    # `load_model` sets the alignment heads only for a model's name, not for a path.
    if heads := whisper._ALIGNMENT_HEADS.get(weights.name):
        model.set_alignment_heads(heads)
    return model


def _ctranslate2(weights: WhisperWeights) -> Whisper:
    variables = ctranslate2_weights.read_model_bin(weights.read("model.bin"))
    model = Whisper(dimensions(variables))
    model.load_state_dict(dict(state(variables)))
    heads = torch.zeros(model.dims.n_text_layer, model.dims.n_text_head, dtype=torch.bool)
    for layer, head in json.loads(weights.read("config.json")).get("alignment_heads", ()):
        heads[layer, head] = True
    # If the file names no heads, Whisper's default stays: the upper half of the decoder's layers.
    if heads.any():
        model.register_buffer("alignment_heads", heads.to_sparse(), persistent=False)
    return model


def dimensions(variables: ctranslate2_weights.Variables) -> ModelDimensions:
    """The dimensions of a model, from the shapes of its weights."""
    audio_context, width = variables["encoder/position_encodings/encodings"].shape
    text_context, _ = variables["decoder/position_encodings/encodings"].shape
    return ModelDimensions(
        n_mels=variables["encoder/conv1/weight"].shape[1],
        n_audio_ctx=audio_context,
        n_audio_state=width,
        n_audio_head=int(variables["encoder/num_heads"]),
        n_audio_layer=_layers(variables, "encoder"),
        n_vocab=variables["decoder/embeddings/weight"].shape[0],
        n_text_ctx=text_context,
        n_text_state=width,
        n_text_head=int(variables["decoder/num_heads"]),
        n_text_layer=_layers(variables, "decoder"),
    )


def state(variables: ctranslate2_weights.Variables) -> Iterator[tuple[str, Tensor]]:
    """Convert a CTranslate2 model to openai-whisper's state dict. The conversion from float16 to float32 is exact."""
    for conv in ("conv1", "conv2"):
        yield from _linear(f"encoder.{conv}", variables, f"encoder/{conv}")
    yield from _norm("encoder.ln_post", variables, "encoder/layer_norm")
    yield from _norm("decoder.ln", variables, "decoder/layer_norm")
    yield "decoder.token_embedding.weight", _tensor(variables["decoder/embeddings/weight"])
    for side in ("encoder", "decoder"):
        yield f"{side}.positional_embedding", _tensor(variables[f"{side}/position_encodings/encodings"])
        for layer in range(_layers(variables, side)):
            yield from _block(f"{side}.blocks.{layer}", variables, f"{side}/layer_{layer}", crossed=side == "decoder")


def _block(
    name: str, variables: ctranslate2_weights.Variables, key: str, *, crossed: bool
) -> Iterator[tuple[str, Tensor]]:
    own, across = f"{key}/self_attention", f"{key}/attention"
    yield from _norm(f"{name}.attn_ln", variables, f"{own}/layer_norm")
    yield from _stacked(f"{name}.attn", ("query", "key", "value"), variables, f"{own}/linear_0")
    yield from _linear(f"{name}.attn.out", variables, f"{own}/linear_1")
    yield from _norm(f"{name}.mlp_ln", variables, f"{key}/ffn/layer_norm")
    yield from _linear(f"{name}.mlp.0", variables, f"{key}/ffn/linear_0")
    yield from _linear(f"{name}.mlp.2", variables, f"{key}/ffn/linear_1")
    if crossed:
        yield from _norm(f"{name}.cross_attn_ln", variables, f"{across}/layer_norm")
        yield from _linear(f"{name}.cross_attn.query", variables, f"{across}/linear_0")
        yield from _stacked(f"{name}.cross_attn", ("key", "value"), variables, f"{across}/linear_1")
        yield from _linear(f"{name}.cross_attn.out", variables, f"{across}/linear_2")


def _linear(name: str, variables: ctranslate2_weights.Variables, key: str) -> Iterator[tuple[str, Tensor]]:
    yield f"{name}.weight", _tensor(variables[f"{key}/weight"])
    yield f"{name}.bias", _tensor(variables[f"{key}/bias"])


def _norm(name: str, variables: ctranslate2_weights.Variables, key: str) -> Iterator[tuple[str, Tensor]]:
    yield f"{name}.weight", _tensor(variables[f"{key}/gamma"])
    yield f"{name}.bias", _tensor(variables[f"{key}/beta"])


def _stacked(
    name: str, projections: tuple[str, ...], variables: ctranslate2_weights.Variables, key: str
) -> Iterator[tuple[str, Tensor]]:
    """Split stacked projections: CTranslate2 stacks the projections of one input in one matrix.

    Whisper's key projection has no bias; its part of the stack is zero.
    """
    weights = np.split(variables[f"{key}/weight"], len(projections))
    biases = np.split(variables[f"{key}/bias"], len(projections))
    for projection, weight, bias in zip(projections, weights, biases, strict=True):
        yield f"{name}.{projection}.weight", _tensor(weight)
        if projection != "key":
            yield f"{name}.{projection}.bias", _tensor(bias)


def _tensor(array: NDArray[np.generic]) -> Tensor:
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError("quantised weights")
    return torch.from_numpy(array.astype(np.float32))


def _layers(variables: ctranslate2_weights.Variables, side: str) -> int:
    return len({found[0] for name in variables if (found := re.match(rf"{side}/layer_\d+/", name))})
