"""The pinyin model merges similar sounds, saves and loads its file, and scores other languages with the bias alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import ConfigError
from pipeline.judge.classifier_text import with_context
from pipeline.judge.model_outputs import Calibrated, Calibration
from pipeline.judge.pinyin_model import (
    FILE,
    LONGEST,
    EncoderWithPinyin,
    Numbers,
    PinyinModel,
    grams,
    load_pinyin_model,
    syllable,
)

BUCKETS = 2**12


def sounds(share: float = 0.4, labels: tuple[str, ...] = ("abuse", "risk")) -> PinyinModel:
    weights = np.random.default_rng(1).integers(-100, 100, (BUCKETS, len(labels))).astype(np.int8)
    scale, bias = (np.full(len(labels), value, np.float32) for value in (0.01, -3.0))
    return PinyinModel(labels, weights, scale, bias, share)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("你这个傻逼", "你这个沙比"),  # the same sounds
        ("是不是", "四不四"),  # sh and s
        ("牛奶", "流来"),  # n and l
        ("上床", "桑传"),  # ang and an
        ("生命", "森民"),  # eng and en, ing and in
        ("我，去！", "我去"),
        ("賭博", "赌博"),
        ("加 VX 聊", "加vx聊"),
    ],
)
def test_similar_sounds_give_the_same_syllables(one: str, other: str) -> None:
    assert grams(one, BUCKETS).tolist() == grams(other, BUCKETS).tolist()


@pytest.mark.parametrize(("one", "other"), [("你好", "好你"), ("再见", "再贱人"), ("ok", "no"), ("班", "帮忙")])
def test_different_sounds_give_different_syllables(one: str, other: str) -> None:
    assert sorted(grams(one, BUCKETS)) != sorted(grams(other, BUCKETS))


def test_syllables_lose_tone_and_accent() -> None:
    assert [syllable(character) for character in "中女娘兴昂x"] == ["zong", "lv", "lian", "xin", "an", "x"]


@given(st.text(max_size=60))
def test_any_text_has_its_ngrams_within_the_buckets(text: str) -> None:
    found = grams(text, BUCKETS)
    assert ((found >= 0) & (found < BUCKETS)).all()
    assert np.isfinite(sounds().logits([text])).all()


def test_a_text_has_an_ngram_for_each_place_and_length() -> None:
    assert len(grams("今天天气很好", BUCKETS)) == sum(6 - n for n in range(LONGEST))
    assert len(grams("好", BUCKETS)) == 1
    assert len(grams("!?", BUCKETS)) == 0


def test_logits_are_the_scaled_sum_and_the_bias() -> None:
    model = sounds()
    logits = model.logits(["今天天气很好", ""])
    found = grams("今天天气很好", BUCKETS)
    expected = model.weights[found].astype(float).sum(axis=0) * 0.01 / len(found) ** 0.5 - 3
    np.testing.assert_allclose(logits, [expected, [-3, -3]], rtol=1e-6)
    assert model.logits([]).shape == (0, 2)


def test_a_saved_model_is_loaded(tmp_path: Path) -> None:
    assert load_pinyin_model(tmp_path) is None
    model = sounds(share=0.35)
    model.save(tmp_path)
    loaded = load_pinyin_model(tmp_path)
    assert loaded is not None
    assert (loaded.labels, loaded.share) == (model.labels, 0.35)
    np.testing.assert_array_equal(loaded.logits(["你好世界"]), model.logits(["你好世界"]))


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive at all"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ConfigError, match=FILE):
        load_pinyin_model(tmp_path)


def test_an_incomplete_file_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / FILE, weights=np.zeros((2, 2), np.int8))
    with pytest.raises(ConfigError, match=FILE):
        load_pinyin_model(tmp_path)


class Lengths(Calibrated):
    """Its logits are the length of the text."""

    def __init__(self) -> None:
        super().__init__("lengths@1", ("abuse", "risk"), Calibration({"risk": 100.0}))

    def logits(self, texts: Sequence[str]) -> Numbers:
        return np.array([[float(len(text))] * 2 for text in texts]).reshape(-1, 2)


def test_mandarin_uses_both_models_and_english_one() -> None:
    texts = ["hello", "你好世界", "打game吧"]
    mixed = EncoderWithPinyin(Lengths(), sounds(share=0.25), Calibration())
    heard = sounds().logits(texts)
    expected = [[5, 5], 0.75 * 4 + 0.25 * heard[1], 0.75 * 6 + 0.25 * heard[2]]
    np.testing.assert_allclose(mixed.logits(texts), expected)
    assert mixed.logits([]).shape == (0, 2)
    assert (mixed.name, mixed.labels) == ("lengths@1", ("abuse", "risk"))


def test_the_pinyin_model_reads_the_speakers_own_words_before_the_utterance() -> None:
    mixed = EncoderWithPinyin(Lengths(), sounds(share=1.0), Calibration())
    found = mixed.logits([with_context("世界", "你好", "我要"), with_context("世界", "", "我要"), "你好世界", "世界"])
    np.testing.assert_allclose(found[:2], found[2:])
    text = with_context("hello", "", "我要")
    assert mixed.logits([text])[0, 0] == len(text), "the Mandarin of others does not count"


def test_the_mixture_is_calibrated_and_not_the_encoder() -> None:
    mixed = EncoderWithPinyin(Lengths(), sounds(), Calibration({"abuse": 2.0}))
    np.testing.assert_allclose(mixed.probabilities(["abcd"]), [[1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-4))]])


def test_models_with_different_labels_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"sounds\.npz of lengths@1 has other labels"):
        EncoderWithPinyin(Lengths(), sounds(labels=("hate", "risk")), Calibration())
