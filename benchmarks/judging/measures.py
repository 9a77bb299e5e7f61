"""More measures of scores against the truth. `truth` is 0 or 1. All shapes are (texts,)."""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def macro_f1(truth: Numbers, found: NDArray[np.bool_]) -> float:
    """The mean of both classes' F1. `found` says which texts are predicted risky."""
    return (_f1(truth == 1, found) + _f1(truth == 0, ~found)) / 2


def best_threshold(truth: Numbers, scores: Numbers) -> float:
    """The score with the highest macro-F1, if all texts with this score or more are predicted risky.

    It takes O(n log n) for n texts: both classes' counts at each threshold are sums over the scores in falling order.
    """
    order = np.argsort(-scores, kind="stable")
    falling, hits = scores[order], truth[order] == 1
    last = np.append(falling[1:] != falling[:-1], True)  # equal scores must be on one side
    taken = np.arange(1, len(hits) + 1)[last]
    right = np.cumsum(hits)[last]
    risky, clean = hits.sum(), len(hits) - hits.sum()
    left = clean - (taken - right)  # clean texts that are not taken
    with np.errstate(invalid="ignore"):
        f1 = 2 * right / (taken + risky) + np.nan_to_num(2 * left / (len(hits) - taken + clean))
    return float(falling[last][f1.argmax()])


def _f1(truth: NDArray[np.bool_], found: NDArray[np.bool_]) -> float:
    both = truth.sum() + found.sum()
    return float(2 * (truth & found).sum() / both) if both else 0.0
