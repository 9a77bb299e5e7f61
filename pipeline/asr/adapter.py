"""What Whisper was taught of one language after OpenAI had trained it: low-rank additions to its weights.

For every other language it stays as it is. Source: LoRA (Hu et al. 2021).
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline import languages
from pipeline.asr import ct2
from pipeline.asr.weights import WhisperWeights
from pipeline.settings import Asr

T = TypeVar("T")

LONGEST = 12.0
"""Seconds of context: an adapter is taught nothing longer, and a former one made people's longer clips worse."""

_OF_EITHER: Mapping[str, tuple[str, ...]] = {
    "self_attention/linear_0": ("attn.query", "attn.key", "attn.value"),
    "self_attention/linear_1": ("attn.out",),
    "ffn/linear_0": ("mlp.0",),
    "ffn/linear_1": ("mlp.2",),
}
_ACROSS = {"attention/linear_0": ("cross_attn.query",), "attention/linear_2": ("cross_attn.out",)}

PLACES: Mapping[str, Mapping[str, tuple[str, ...]]] = {"encoder": _OF_EITHER, "decoder": {**_OF_EITHER, **_ACROSS}}
"""What is added to in each layer of a side: CTranslate2's names, and openai-whisper's for what that stacks. Not to the
keys and values of the sound, which the encoder's last layer can change as well."""


Factors = Mapping[str, NDArray[np.float16]]
"""`PLACE/a`, shape (rank, inputs), and `PLACE/b`, shape (outputs, rank), by CTranslate2's name of the place."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """Additions for one language."""

    language: str
    sha256: str
    factors: Factors

    def additions(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """What is added to the weight of each place, shape (outputs, inputs)."""
        for name, factor in self.factors.items():
            place, side = name.rsplit("/", 1)
            if side == "b":
                yield place, factor.astype(np.float32) @ self.factors[f"{place}/a"].astype(np.float32)

    def added_to(self, model: bytes) -> bytes:
        """`model`, a `model.bin` of CTranslate2 in floating point, with the additions."""
        data = bytearray(model)
        variables = ct2.read(data)
        for place, addition in self.additions():
            weight = variables[f"{place}/weight"]
            np.copyto(weight, weight.astype(np.float32) + addition, casting="same_kind")
        return bytes(data)


def fitting(plain: T, adapted: Mapping[str, T], language: str, limit: float) -> T:
    """The model for clips of a language, or of none yet (""), that are padded to `limit`, in seconds."""
    return adapted.get(language, plain) if limit <= LONGEST else plain


def shipped(asr: Asr, found: WhisperWeights) -> tuple[Adapter, ...]:
    """Those for the weights, unless they are off or `asr.model` names a fine-tune, which has learnt otherwise."""
    if not asr.adapters or found.name != asr.model:
        return ()
    paths = {language: languages.file(language, file_of(found.name)) for language in languages.known()}
    return tuple(read(path, language) for language, path in paths.items() if path)


def file_of(model: str) -> str:
    """The adapter for a model, in the folder of a language. `python -m training.adapter` makes it."""
    return f"adapters/{model}.npz"


def read(path: Path, language: str) -> Adapter:
    data = path.read_bytes()
    with np.load(BytesIO(data)) as factors:
        return Adapter(language, hashlib.sha256(data).hexdigest(), dict(factors))


def name_of(engine: str, found: WhisperWeights, adapters: tuple[Adapter, ...]) -> str:
    """As transcripts bear it, e.g. `ctranslate2/base@905e5bf8+zh@0a1b2c3d`."""
    added = "".join(f"+{adapter.language}@{adapter.sha256[:8]}" for adapter in adapters)
    return f"{engine}/{found.name}@{found.sha256[:8]}{added}"
