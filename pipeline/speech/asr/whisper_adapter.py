"""Adapters: fine-tuning of Whisper for one language, as low-rank additions to its weights.

For all other languages the weights stay unchanged. Source: LoRA (Hu et al. 2021).
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.settings import Asr
from pipeline.speech import languages
from pipeline.speech.asr import ctranslate2_weights
from pipeline.speech.asr.whisper_weights import WhisperWeights

T = TypeVar("T")

LONGEST = 12.0
"""Longest context in seconds for which an adapter is used. Adapters are trained with contexts up to this length. With
longer contexts, an earlier adapter made transcripts of real people worse."""

WIDEST = 3
"""Widest search with an adapter. Its texts are only other readings, and the judge ranks no better with more of them."""

_BOTH_SIDES: Mapping[str, tuple[str, ...]] = {
    "self_attention/linear_0": ("attn.query", "attn.key", "attn.value"),
    "self_attention/linear_1": ("attn.out",),
    "ffn/linear_0": ("mlp.0",),
    "ffn/linear_1": ("mlp.2",),
}
_CROSS_ATTENTION = {"attention/linear_0": ("cross_attn.query",), "attention/linear_2": ("cross_attn.out",)}

PLACES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "encoder": _BOTH_SIDES,
    "decoder": {**_BOTH_SIDES, **_CROSS_ATTENTION},
}
"""The matrices with additions, in each layer of a side. Keys are CTranslate2's names. Values are openai-whisper's names
of the matrices that CTranslate2 stacks there. The keys and values of cross-attention have no additions: the encoder's
last layer can change them, too."""


Factors = Mapping[str, NDArray[np.float16]]
"""Matrices `PLACE/a`, shape (rank, inputs), and `PLACE/b`, shape (outputs, rank). PLACE is CTranslate2's name."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """The additions for one language."""

    language: str
    sha256: str
    factors: Factors

    def additions(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """The addition to the weight of each place, shape (outputs, inputs)."""
        for name, factor in self.factors.items():
            place, side = name.rsplit("/", 1)
            if side == "b":  # each pair of factors once
                yield place, factor.astype(np.float32) @ self.factors[f"{place}/a"].astype(np.float32)

    def added_to(self, model: bytes) -> bytes:
        """Apply the additions to `model`, the bytes of a CTranslate2 `model.bin` in floating point."""
        data = bytearray(model)
        variables = ctranslate2_weights.read_model_bin(data)
        for place, addition in self.additions():
            weight = variables[f"{place}/weight"]
            # The arrays are views into `data`, so this changes the file's bytes. Weights may be float16.
            np.copyto(weight, weight.astype(np.float32) + addition, casting="same_kind")
        return bytes(data)


def fitting(plain: T, adapted: Mapping[str, T], language: str, limit: float) -> T:
    """Select the model for clips in `language` that are padded to `limit` seconds.

    `language` is empty if it is unknown. Contexts longer than LONGEST get the plain model.
    """
    return adapted.get(language, plain) if limit <= LONGEST else plain


def shipped_adapters(asr: Asr, found: WhisperWeights) -> tuple[Adapter, ...]:
    """The shipped adapters for the weights. None if `asr.adapters` is off, or if `asr.model` is a fine-tuned model."""
    if not asr.adapters or found.name != asr.model:
        return ()
    paths = {language: languages.file(language, adapter_path(found.name)) for language in languages.known()}
    return tuple(read_adapter(path, language) for language, path in paths.items() if path)


def adapter_path(model: str) -> str:
    """Path of a model's adapter in the folder of a language. `python -m training.adapter` writes it."""
    return f"adapters/{model}.npz"


def read_adapter(path: Path, language: str) -> Adapter:
    """Read an adapter file for `language`."""
    data = path.read_bytes()  # read once, so that the hash is of what is loaded
    with np.load(BytesIO(data)) as factors:
        return Adapter(language, hashlib.sha256(data).hexdigest(), dict(factors))


def recogniser_name(engine: str, found: WhisperWeights, adapters: tuple[Adapter, ...]) -> str:
    """The model's name in transcripts, e.g. `ctranslate2/base@905e5bf8+zh@0a1b2c3d`."""
    added = "".join(f"+{adapter.language}@{adapter.sha256[:8]}" for adapter in adapters)
    return f"{engine}/{found.name}@{found.sha256[:8]}{added}"
