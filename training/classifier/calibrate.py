"""Sets temperatures, so that scores are probabilities, and thresholds from the scores of ordinary talk."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from training.classifier.figures import threshold_at
from training.classifier.rows import LABELS, OUTPUTS, RISK

Numbers = NDArray[np.float64]
Thresholds = dict[str, dict[str, dict[str, float]]]

TEMPERATURES = np.geomspace(0.25, 8, 101)
FEWEST = 20
"""With fewer risky or clean texts there is not enough data for a temperature, so it stays 1."""
RATES: Mapping[str, float] = {"review": 0.01, "block": 0.001}
"""The share of ordinary talk that may reach a threshold of any label."""


def temperature(logits: Numbers, truth: Numbers, weights: Numbers) -> float:
    """The temperature with the lowest log loss (Guo et al. 2017). All shapes are (texts,); weight 0 means not
    annotated.
    """
    known = weights > 0
    if min((truth[known] == 1).sum(), (truth[known] == 0).sum()) < FEWEST:
        return 1.0
    scaled = logits[known, None] / TEMPERATURES
    losses = np.logaddexp(0, scaled) - truth[known, None] * scaled
    return float(TEMPERATURES[np.average(losses, axis=0, weights=weights[known]).argmin()])


def thresholds(languages: Sequence[str], table: Numbers, rates: Mapping[str, float] = RATES) -> Thresholds:
    """{label: {language: {"review": score, "block": score}}} from `table`, the scores of ordinary talk, (texts,
    outputs).

    All labels together flag the share that `rates` states. `risk` is not among them and has thresholds of its own.
    """
    found: Thresholds = {output: {} for output in OUTPUTS}
    risk = OUTPUTS.index(RISK)
    for language in sorted(set(languages)):
        scores = table[np.array(languages) == language]
        for name, rate in rates.items():
            limits = [*_joint(np.delete(scores, risk, axis=1), rate), threshold_at(scores[:, risk], rate)]
            for output, limit in zip((*LABELS, RISK), limits, strict=True):
                found[output].setdefault(language, {})[name] = min(limit, 1.0)
    return found


def _joint(table: Numbers, rate: float) -> list[float]:
    """A threshold for each column, with equal shares of false flags, so that `rate` of the rows reach any of them."""
    limits: list[float] = []
    for share in np.linspace(rate, 0, 51):
        limits = [threshold_at(column, float(share)) for column in table.T]
        if (table >= limits).any(axis=1).mean() <= rate:
            break
    return limits
