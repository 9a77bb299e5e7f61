"""Pieces that sound alike are one spelling, which starts as their mean; how often they occur decides."""

import json
from math import log

import numpy as np
import pytest
import torch

from pipeline.judge.sounds import MARK, spelt
from pipeline.judge.training import spelling
from pipeline.judge.training.spelling import added, spellings
from pipeline.judge.training.vocabulary import trim
from tests.pipeline.judge.training import tiny

PIECES = ["<pad>", "ok", "今天", "▁金天", "是", "四", "事", "吗"]
COUNTS = {2: 6, 3: 2, 4: 8, 5: 8}
TEXTS = ["今天是好天", "ok 金天四号 a·b", "今天"]


def test_what_sounds_alike_is_one_spelling() -> None:
    assert spellings(PIECES, COUNTS) == {
        "·si": {4: 8, 5: 8, 6: spelling.ONCE},
        "·ma": {7: spelling.ONCE},
        "·jin·tian": {2: 6, 3: 2},
    }


def test_every_syllable_is_kept_and_of_longer_ones_the_commonest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spelling, "SIZE", 1)
    assert [*spellings([*PIECES, "好的"], {8: 9} | COUNTS)] == ["·si", "·ma", "·hao·de"]


def test_a_spelling_starts_as_the_mean_of_what_it_may_be() -> None:
    rows = torch.arange(8.0)[:, None].repeat(1, 3)
    pieces, means = added({"·jin·tian": {2: 6, 3: 2}, "·ma": {7: 8}}, rows)
    assert pieces == [("·jin·tian", log(0.5)), ("·ma", log(0.5))]
    torch.testing.assert_close(means, torch.tensor([[2.25] * 3, [7.0] * 3]))


def test_what_is_spelt_is_read_by_syllables_and_words_stay() -> None:
    found = trim(tiny.encoder(TEXTS), TEXTS).tokenizer.encode(spelt("金天OK 是天")).tokens
    assert found[:-1] == ["<s>", "▁", "·jin·tian", "▁ok", "▁", "·si", "·tian"]


def test_a_model_that_knows_spellings_keeps_its_own() -> None:
    once = trim(tiny.encoder(TEXTS), TEXTS)
    with torch.no_grad():
        once.model.get_input_embeddings().weight.add_(1.0)
    again = trim(once, TEXTS)
    pieces = [piece for piece, _ in json.loads(again.tokenizer.to_str())["model"]["vocab"]]
    assert len(pieces) == len({*pieces})
    assert any(piece.startswith(MARK) for piece in pieces)
    ids = [once.tokenizer.token_to_id("·tian"), again.tokenizer.token_to_id("·tian")]
    one, other = (each.model.get_input_embeddings().weight[at] for each, at in zip((once, again), ids, strict=True))
    np.testing.assert_array_equal(one.detach(), other.detach())
