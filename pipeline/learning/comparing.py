"""Compares two classifiers on decided cases: recall at the same false alarms, and calibration, with intervals."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.judge.calibration import Calibrated, Numbers
from pipeline.learning.figures import recall_at
from pipeline.learning.rows import OUTPUTS, RISK, Row
from pipeline.review.quality.statistics import Estimate

RATE = 0.05
"""The share of the dismissed cases that may be flagged. Most of them were flagged once, so they are hard."""
FEWEST = 10
"""With fewer cases with or without a label, there is no figure."""
DRAWS = 400
"""Samples of the bootstrap (Efron 1979)."""
BINS = 10
ALL = "all"
"""Stands for all languages."""

Measure = Callable[[Numbers, Numbers], float]
"""A figure from truth and probabilities, both of shape (texts,)."""


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """One figure of both models on the same cases. Intervals cover 95 %; that of the change is of pairs."""

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
    sums = np.bincount(bins, weights=scores - truth, minlength=BINS)
    return float(np.abs(sums).sum() / len(truth))


def recall(truth: Numbers, scores: Numbers) -> float:
    """The recall at the threshold that `RATE` of the clean texts reach."""
    return recall_at(truth, scores, RATE)


def _figures(
    rows: Sequence[Row], scores: tuple[Numbers, Numbers], random: np.random.Generator
) -> Iterator[ComparedFigure]:
    languages = np.array([row.language for row in rows])
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


def _measures(label: str) -> dict[str, Measure]:
    measures: dict[str, Measure] = {"recall": recall}
    return measures | {"calibration error": calibration_error} if label == RISK else measures


def _figure(
    what: str,
    label: str,
    language: str,
    measure: Measure,
    truth: Numbers,
    scores: tuple[Numbers, Numbers],
    random: np.random.Generator,
) -> ComparedFigure:
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
