"""Sets a temperature, so that scores are probabilities."""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

TEMPERATURES = np.geomspace(0.25, 8, 101)
FEWEST = 20
"""With fewer risky or clean texts there is not enough data for a temperature, so it stays 1."""


def temperature(logits: Numbers, truth: Numbers, weights: Numbers) -> float:
    """The temperature with the lowest log loss (Guo et al. 2017). All shapes are (texts,); weight 0 means not
    annotated.

    The targets are a little inside 0 and 1 (Platt 1999). Otherwise a few texts that the model tells apart without a
    mistake would make all its scores 0 or 1.
    """
    known = weights > 0
    risky, clean = (truth[known] == 1).sum(), (truth[known] == 0).sum()
    if min(risky, clean) < FEWEST:
        return 1.0
    targets = np.where(truth[known] == 1, (risky + 1) / (risky + 2), 1 / (clean + 2))
    scaled = logits[known, None] / TEMPERATURES
    losses = np.logaddexp(0, scaled) - targets[:, None] * scaled
    return float(TEMPERATURES[np.average(losses, axis=0, weights=weights[known]).argmin()])
