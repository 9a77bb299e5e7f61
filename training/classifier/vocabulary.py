"""Reduces a multilingual vocabulary to what Mandarin and English need. This removes four fifths of the embedding."""

import json
import re
from collections.abc import Iterable

import torch
from tokenizers import Tokenizer

from pipeline.learning.starting_model import Encoder
from training.classifier.homophones import HomophoneEmbedding
from training.classifier.noise import bare

SIZE = 51_000
SPECIAL = re.compile(r"<\w+>|</s>")
OURS = re.compile(r"▁?(?:[A-Za-z']+|[0-9]+|[!-~]+|[㐀-鿿]{1,2})")
"""Pieces of Latin or Chinese characters, digits or ASCII marks. The full embedding has pieces of many languages, the
most common first."""


def trim(encoder: Encoder, texts: Iterable[str], size: int = SIZE) -> Encoder:
    """`encoder` with at most `size` pieces.

    They are the special ones, those in `texts`, and the most common ones in Latin or Chinese characters.
    """
    vocabulary = json.loads(encoder.tokenizer.to_str())["model"]["vocab"]
    kept = _kept(vocabulary, needed(encoder.tokenizer, texts), size)
    model = encoder.model
    rows = model.bert.embeddings.word_embeddings.weight.data[torch.tensor(kept)].clone()
    pieces = [vocabulary[at] for at in kept]
    model.set_input_embeddings(HomophoneEmbedding(rows, [piece for piece, _ in pieces], model.config.pad_token_id))
    model.config.vocab_size = len(kept)
    return Encoder(model, _with_pieces(encoder.tokenizer, pieces))


def needed(tokenizer: Tokenizer, texts: Iterable[str]) -> set[int]:
    """The ids that occur in `texts`, in each form."""
    found: set[int] = set()
    for text in texts:
        for encoding in tokenizer.encode_batch([text, bare(text)]):
            found.update(encoding.ids)
    return found


def _kept(vocabulary: list[tuple[str, float]], used: set[int], size: int) -> list[int]:
    """Indices in `vocabulary`, in order, so that special pieces keep their ids."""
    must = {
        at
        for at, (piece, _) in enumerate(vocabulary)
        if SPECIAL.fullmatch(piece) or (len(piece) == 1 and OURS.fullmatch(piece))
    }
    must |= used
    more = sorted(
        (at for at, (piece, _) in enumerate(vocabulary) if at not in must and OURS.fullmatch(piece)),
        key=lambda at: -vocabulary[at][1],
    )
    return sorted(must | set(more[: max(0, size - len(must))]))


def _with_pieces(tokenizer: Tokenizer, pieces: list[tuple[str, float]]) -> Tokenizer:
    """The same tokenizer with fewer pieces."""
    content = json.loads(tokenizer.to_str())
    places = {piece: at for at, (piece, _) in enumerate(pieces)}
    content["model"]["vocab"] = pieces
    content["added_tokens"] = [
        token | {"id": places[token["content"]]} for token in content["added_tokens"] if token["content"] in places
    ]
    return Tokenizer.from_str(json.dumps(content))
