"""Compares two classifiers on decided cases: recall at the same false alarms, and calibration, with intervals."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.judge.model_outputs import Calibrated, Numbers
from pipeline.learning.training_rows import OUTPUTS, RISK, Row
from pipeline.review.quality.statistics import Estimate

Figure = Callable[[Numbers, Numbers], float]
"""A measure of truth (0 or 1) and scores (real numbers), both of shape (texts,)."""
FIGURE_DRAWS = 200
"""Samples of the bootstrap of one figure."""
RATE = 0.05
"""The share of the dismissed cases that may be flagged. Most of them were flagged once, so they are hard."""
FEWEST = 10
"""With fewer cases with or without a label, there is no figure."""
DRAWS = 400
"""Samples of the bootstrap (Efron 1979) of a comparison."""
BINS = 10
ALL = "all"
"""Stands for all languages."""


def auroc(truth: Numbers, scores: Numbers) -> float:
    """Area under the ROC curve, by rank sums (Mann and Whitney 1947), ties counted half; NaN with only one class."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    # Equal scores share the mean of their ranks.
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
    # Just above the first score that must not reach it.
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
    drawn = (np.concatenate([random.choice(side, len(side)) for side in sides]) for _ in range(FIGURE_DRAWS))
    low, high = np.percentile([figure(truth[places], scores[places]) for places in drawn], [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """One figure of both models on the same cases, with 95 % intervals."""

    what: str
    """`recall` or `calibration error`."""
    label: str
    language: str
    risky: int
    clean: int
    present: Estimate
    new: Estimate
    change: Estimate


def compare(present: Calibrated, new: Calibrated, rows: Sequence[Row], seed: int) -> list[ComparedFigure]:
    """Return the figures on `rows`, by label and language, that have enough cases."""
    texts = [row.text for row in rows]
    if not texts:
        return []
    scores = present.probabilities(texts), new.probabilities(texts)
    return [*_figures(rows, scores, np.random.default_rng(seed))]


def calibration_error(truth: Numbers, scores: Numbers) -> float:
    """The mean distance of a score from the share of risky texts with about this score, in ten bins."""
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    # The sum of a bin is its number of texts times the distance between mean score and share.
    sums = np.bincount(bins, weights=scores - truth, minlength=BINS)
    return float(np.abs(sums).sum() / len(truth))


def recall(truth: Numbers, scores: Numbers) -> float:
    """The recall at the threshold that `RATE` of the clean texts reach."""
    return recall_at(truth, scores, RATE)


def _figures(
    rows: Sequence[Row], scores: tuple[Numbers, Numbers], random: np.random.Generator
) -> Iterator[ComparedFigure]:
    languages = np.array([row.language for row in rows])
    # With one language, its figures would repeat the figures for all.
    for language in (ALL, *(sorted(set(languages)) if len(set(languages)) > 1 else ())):
        spoken = np.ones(len(rows), bool) if language == ALL else languages == language
        for place in sorted(range(len(OUTPUTS)), key=lambda at: OUTPUTS[at] != RISK):
            label = OUTPUTS[place]
            known = spoken & np.array([label in row.labels for row in rows])
            truth = np.array([row.labels.get(label, 0.0) for row in rows])[known]
            if min(truth.sum(), (1 - truth).sum()) >= FEWEST:
                tables = scores[0][known, place], scores[1][known, place]
                for what, measure in _measures(label).items():
                    yield _figure(what, label, language, measure, truth, tables, random)


def _measures(label: str) -> dict[str, Figure]:
    measures: dict[str, Figure] = {"recall": recall}
    return measures | {"calibration error": calibration_error} if label == RISK else measures


def _figure(
    what: str,
    label: str,
    language: str,
    measure: Figure,
    truth: Numbers,
    scores: tuple[Numbers, Numbers],
    random: np.random.Generator,
) -> ComparedFigure:
    # Both models get the same draws, so the interval of the change is of pairs.
    draws = [random.integers(0, len(truth), len(truth)) for _ in range(DRAWS)]
    one, other = (np.array([measure(truth[draw], table[draw]) for draw in draws]) for table in scores)
    before, after = (measure(truth, table) for table in scores)
    return ComparedFigure(
        what,
        label,
        language,
        int(truth.sum()),
        int((1 - truth).sum()),
        _estimate(before, one),
        _estimate(after, other),
        _estimate(after - before, other - one),
    )


def _estimate(value: float, drawn: NDArray[np.float64]) -> Estimate:
    """The value with the interval of the percentiles of the samples that have one."""
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Estimate(value, (float(low), float(high)))
