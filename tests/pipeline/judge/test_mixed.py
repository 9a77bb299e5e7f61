"""The mixture is the weighted mean for Mandarin only, and is calibrated as a whole."""

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.base.errors import ConfigError
from pipeline.judge.calibration import Calibrated, Calibration
from pipeline.judge.conversation_text import with_context
from pipeline.judge.mixed import Mixed
from pipeline.judge.sounds import Numbers
from tests.pipeline.judge.test_sounds import sounds


class Lengths(Calibrated):
    """Its logits are the length of the text."""

    def __init__(self) -> None:
        super().__init__("lengths@1", ("abuse", "risk"), Calibration({"risk": 100.0}))

    def logits(self, texts: Sequence[str]) -> Numbers:
        return np.array([[float(len(text))] * 2 for text in texts]).reshape(-1, 2)


def test_mandarin_uses_both_models_and_english_one() -> None:
    texts = ["hello", "你好世界", "打game吧"]
    mixed = Mixed(Lengths(), sounds(share=0.25), Calibration())
    heard = sounds().logits(texts)
    expected = [[5, 5], 0.75 * 4 + 0.25 * heard[1], 0.75 * 6 + 0.25 * heard[2]]
    np.testing.assert_allclose(mixed.logits(texts), expected)
    assert mixed.logits([]).shape == (0, 2)
    assert (mixed.name, mixed.labels) == ("lengths@1", ("abuse", "risk"))


def test_the_pinyin_model_reads_the_utterance_without_its_context() -> None:
    mixed = Mixed(Lengths(), sounds(share=1.0), Calibration())
    found = mixed.logits([with_context("你好世界", "我要", "你要"), "你好世界"])
    np.testing.assert_allclose(found[0], found[1])
    text = with_context("hello", "我要")
    assert mixed.logits([text])[0, 0] == len(text), "Mandarin before it does not count"


def test_the_mixture_is_calibrated_and_not_the_encoder() -> None:
    mixed = Mixed(Lengths(), sounds(), Calibration({"abuse": 2.0}))
    np.testing.assert_allclose(mixed.probabilities(["abcd"]), [[1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-4))]])


def test_models_with_different_labels_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"sounds\.npz of lengths@1 has other labels"):
        Mixed(Lengths(), sounds(labels=("hate", "risk")), Calibration())
