"""The pre-trained encoder that training starts from: multilingual-e5-small (Wang et al. 2024, MIT)."""

from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from transformers import AutoModel, AutoTokenizer, BertModel

from pipeline.errors import ConfigError
from pipeline.judge.training import packaged


@dataclass(frozen=True, slots=True)
class Encoder:
    """A BERT body and the tokenizer whose ids its embedding has rows for."""

    model: BertModel
    tokenizer: Tokenizer


def load(source: str | None = None) -> Encoder:
    """The encoder in the folder or under the hub id `source`; None: the packaged one. Raises ConfigError."""
    if source is None:
        weights = packaged.read()
        return Encoder(packaged.body(weights), packaged.unigram(weights.pieces))
    try:
        model = AutoModel.from_pretrained(source, dtype=torch.float32, add_pooling_layer=False)
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise ConfigError(f"No encoder at {source}: {error}", "Name a folder or hub id, or leave it out.") from error
    return Encoder(model, tokenizer.backend_tokenizer)
