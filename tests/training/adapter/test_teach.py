"""The adapter learns its clips, and nothing else of the model changes."""

from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch
from whisper.model import Whisper

from pipeline.base.errors import ConfigError
from pipeline.speech.asr.openai_whisper_decoding import tokenizer_of
from pipeline.speech.asr.openai_whisper_weights import adapted
from pipeline.speech.asr.whisper_adapter import Adapter
from pipeline.speech.asr.whisper_input import FRAMES_PER_SECOND
from tests.pipeline.speech.asr.models import little_whisper
from training.adapter.teach import UNASKED, AdapterRecipe, Taught, batches, losses, teach, tokens_of, written

MULTILINGUAL = 51865
BANDS = 80
TEXTS = ("今晚一起打游戏吧", "你把钱转过来", "我在你家楼下等你", "明天见")
RECIPE = AdapterRecipe(turns=30, batch=2, rank=4, learning_rate=2e-2, warm_up=5)


def dice() -> Random:
    return Random(1)  # noqa: S311


def clips() -> list[Taught]:
    random = np.random.default_rng(1)
    return [
        Taught(text, 2.0, random.normal(size=(BANDS, round(limit * FRAMES_PER_SECOND))).astype(np.float16))
        for text, limit in zip(TEXTS, (3.0, 3.0, 5.0, 3.0), strict=True)
    ]


def loss_on(model: Whisper, taught: list[Taught]) -> float:
    tokenizer = tokenizer_of(model, "zh")
    parts = [written([clip], tokenizer) for clip in taught]
    with torch.no_grad():
        return sum(loss().item() for loss in losses(model, parts))


def test_the_target_is_the_text_between_timestamps() -> None:
    tokenizer = tokenizer_of(little_whisper(MULTILINGUAL), "zh")
    tokens = tokens_of(clips()[0], tokenizer)
    assert tokenizer.decode_with_timestamps(tokens[3:-1]) == f"<|0.00|>{TEXTS[0]}<|2.00|>"
    assert tokens[:3] == [*tokenizer.sot_sequence]
    assert tokens[-1] == tokenizer.eot


def test_the_loss_covers_text_end_time_and_end_token() -> None:
    tokenizer = tokenizer_of(little_whisper(MULTILINGUAL), "zh")
    rows = [clips()[1], clips()[3]]
    part = written(rows, tokenizer)
    for clip, given, asked in zip(rows, part.given.tolist(), part.tokens.tolist(), strict=True):
        whole = tokens_of(clip, tokenizer)
        assert given[: len(whole) - 1] == whole[:-1]
        assert [token for token in asked if token != UNASKED] == whole[4:]
        assert asked[3 : len(whole) - 1] == whole[4:]


def test_each_turn_has_each_clip_once_with_others_of_its_size() -> None:
    found = batches(clips(), 2, dice())
    turn = [next(found) for _ in range(3)]
    assert Counter(clip.text for batch in turn for clip in batch) == Counter(TEXTS)
    assert all(len({clip.mel.shape for clip in batch}) == 1 for batch in turn)


def test_training_changes_the_factors_and_nothing_else() -> None:
    model = little_whisper(MULTILINGUAL)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    untaught, said = loss_on(model, clips()), list[str]()
    factors = teach(model, "zh", clips(), RECIPE, said.append)
    again = little_whisper(MULTILINGUAL)
    again.load_state_dict(before)
    learnt = adapted(again, Adapter("zh", "", factors))
    assert loss_on(learnt, clips()) < 0.8 * untaught
    assert loss_on(learnt, clips()) == pytest.approx(loss_on(model, clips()), rel=0.02)
    assert said


def test_the_same_recipe_gives_the_same_factors() -> None:
    recipe = replace(RECIPE, turns=5)
    one, same = (teach(little_whisper(MULTILINGUAL), "zh", clips(), recipe, print) for _ in range(2))
    for name, factor in one.items():
        np.testing.assert_allclose(factor, same[name], atol=1e-3, err_msg=name)


def test_a_training_without_clips_is_refused() -> None:
    with pytest.raises(ConfigError, match="no clips to train on"):
        teach(little_whisper(MULTILINGUAL), "zh", [], RECIPE, print)
