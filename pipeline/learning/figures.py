"""Measures of a ranking. `truth` is 0 or 1, `scores` are real numbers, both of shape (texts,)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Figure = Callable[[Numbers, Numbers], float]
"""A measure of truth and scores."""
DRAWS = 200
"""Samples of the bootstrap."""


def auroc(truth: Numbers, scores: Numbers) -> float:
    """Area under the ROC curve, by rank sums (Mann and Whitney 1947), ties counted half; NaN with only one class."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    risky = int(truth.sum())
    clean = len(truth) - risky
    if not risky or not clean:
        return float("nan")
    return float((ranks[truth == 1].sum() - risky * (risky + 1) / 2) / (risky * clean))


def average_precision(truth: Numbers, scores: Numbers) -> float:
    """Mean precision at each risky text, from the highest score down; NaN without a risky text."""
    hits = truth[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / hits.sum()) if hits.any() else float("nan")


def threshold_at(clean_scores: Numbers, rate: float) -> float:
    """The lowest threshold that at most a share `rate` of `clean_scores` reaches."""
    allowed = int(rate * len(clean_scores))
    return float(np.nextafter(np.sort(clean_scores)[::-1][allowed], np.inf))


def recall_at(truth: Numbers, scores: Numbers, rate: float) -> float:
    """Share of risky texts found at the threshold that flags a share `rate` of the clean ones."""
    if not (truth == 1).any() or not (truth == 0).any():
        return float("nan")
    return float((scores[truth == 1] >= threshold_at(scores[truth == 0], rate)).mean())


def interval(figure: Figure, truth: Numbers, scores: Numbers, seed: int = 1) -> tuple[float, float]:
    """The 95% interval of a figure, by the percentile bootstrap (Efron 1979).

    Risky and clean texts are drawn apart, so each sample has as many of both.
    """
    random = np.random.default_rng(seed)
    sides = [np.flatnonzero(truth == value) for value in (1, 0)]
    drawn = (np.concatenate([random.choice(side, len(side)) for side in sides]) for _ in range(DRAWS))
    low, high = np.percentile([figure(truth[places], scores[places]) for places in drawn], [2.5, 97.5])
    return float(low), float(high)
