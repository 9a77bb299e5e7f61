"""The mixture is the mean that its share says, of Mandarin alone, and calibrated as a whole."""

from collections.abc import Sequence

import numpy as np

from pipeline.judge.calibration import Calibrated, Calibration, Numbers
from pipeline.judge.mixed import Mixed


class Lengths(Calibrated):
    """Its logits are the length of the text."""

    def __init__(self) -> None:
        super().__init__("lengths@1", ("abuse", "risk"), Calibration({"risk": 100.0}))
        self.read: list[str] = []

    def logits(self, texts: Sequence[str]) -> Numbers:
        self.read += texts
        return np.array([[float(len(text))] * 2 for text in texts]).reshape(-1, 2)


def test_mandarin_has_both_views_and_english_one() -> None:
    mixed = Mixed(Lengths(), Calibration(by_sound=0.25))
    expected = [5, 0.75 * 4 + 0.25 * len("·ni·hao·si·jie"), 0.75 * 6 + 0.25 * len("·da game ·ba")]
    np.testing.assert_allclose(mixed.logits(["hello", "你好世界", "打game吧"]), [[each] * 2 for each in expected])
    assert mixed.logits([]).shape == (0, 2)
    assert (mixed.name, mixed.labels) == ("lengths@1", ("abuse", "risk"))


def test_readings_that_sound_alike_are_spelt_once() -> None:
    lengths = Lengths()
    found = Mixed(lengths, Calibration(by_sound=0.5)).logits(["是的", "四的", "好"])
    assert lengths.read == ["是的", "四的", "好", "·si·de", "·hao"]
    np.testing.assert_allclose(found[:, 0], [4, 4, 2.5])


def test_the_mixture_is_calibrated_and_not_the_encoder() -> None:
    mixed = Mixed(Lengths(), Calibration({"abuse": 2.0}, by_sound=0.5))
    np.testing.assert_allclose(mixed.probabilities(["abcd"]), [[1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-4))]])
