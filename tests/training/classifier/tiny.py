"""An encoder small enough to train in a test, with the same architecture as the real one."""

from collections import Counter
from collections.abc import Iterable
from math import log
from pathlib import Path

import msgspec
import torch
from transformers import BertConfig, BertModel

from pipeline.learning.starting_model import Encoder, new_model
from training.classifier.packaged import unigram
from training.classifier.sets import authored

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


def encoder(texts: Iterable[str], width: int = 32) -> Encoder:
    """An encoder with a piece for each character and each word of `texts`."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(["▁", *text])
        counts.update("▁" + word for word in text.split())
    total = counts.total()
    pieces = [(special, 0.0) for special in SPECIAL]
    pieces += [(piece, log(count / total)) for piece, count in sorted(counts.items())]
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=width,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=2 * width,
        max_position_embeddings=192,
        pad_token_id=1,
    )
    return Encoder(new_model(BertModel(config, add_pooling_layer=False)), unigram(pieces))


def examples(folder: Path) -> Path:
    """One in 100 of our lines, in a folder like `authored.EXAMPLES`. All lines would take minutes and test no more."""
    for path in authored.EXAMPLES.glob("*/*.yaml"):
        written = msgspec.yaml.decode(path.read_bytes(), type=dict[str, str])
        kept = {key: "\n".join(lines.splitlines()[::100]) for key, lines in written.items()}
        few = folder / path.parent.name / path.name
        few.parent.mkdir(parents=True, exist_ok=True)
        few.write_bytes(msgspec.yaml.encode(kept))
    return folder
