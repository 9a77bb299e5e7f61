"""The pinyin model learns annotations from sounds, and its share is the one that ranks best."""

import numpy as np

from pipeline.learning.training_rows import CLEAN, OUTPUTS, RISK, Row, positive
from training.classifier.sounds import SoundsRecipe, best_share, train

RECIPE = SoundsRecipe(rounds=8, batch=16, buckets=2**12, dropped=0.0)
ROWS = [
    *(Row(f"你这个大傻瓜第{n}名", "zh", positive("abuse")) for n in range(60)),
    *(Row(f"今天第{n}天天气很好", "zh", CLEAN) for n in range(60)),
    *(Row(f"the english row {n}", "en", positive("hate")) for n in range(60)),
]


def test_the_model_learns_and_scores_homophones_alike() -> None:
    model = train(ROWS, RECIPE, str, lambda _: None)
    insult, misheard, weather = model.logits(["你这个大傻瓜", "你这个大杀挂", "今天天气很好"])
    abuse, hate = OUTPUTS.index("abuse"), OUTPUTS.index("hate")
    assert insult[abuse] > 0 > weather[abuse]
    np.testing.assert_array_equal(insult, misheard)
    assert insult[hate] < 0, "English rows have no say"


def test_the_same_seed_trains_the_same_model() -> None:
    one, same = (train(ROWS, RECIPE, str, lambda _: None) for _ in range(2))
    np.testing.assert_array_equal(one.weights, same.weights)


def test_each_round_has_new_noise() -> None:
    heard: list[str] = []
    said: list[str] = []

    def hear(text: str) -> str:
        heard.append(text)
        return text

    train(ROWS, SoundsRecipe(rounds=3, buckets=2**10), hear, said.append)
    assert len(heard) == 3 * 120
    assert len(said) == 3


def test_the_share_ranks_best() -> None:
    random = np.random.default_rng(1)
    truth = np.zeros((400, len(OUTPUTS)))
    weights = np.zeros_like(truth)
    risk = OUTPUTS.index(RISK)
    truth[:200, risk] = weights[:, risk] = 1
    good, useless = truth + random.normal(0, 0.3, truth.shape), random.normal(0, 1, truth.shape)
    assert best_share(good, useless, truth, weights) <= 0.1
    assert best_share(useless, good, truth, weights) == 0.4
    noisy, other = (truth + random.normal(0, 1, truth.shape) for _ in range(2))
    assert 0.2 < best_share(noisy, other, truth, weights) <= 0.4
    assert best_share(good, good, truth, np.zeros_like(weights)) == 0
