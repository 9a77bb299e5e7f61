"""The equal error rate of scores."""

import numpy as np
from numpy.typing import ArrayLike


def equal_error(genuine: ArrayLike, synthetic: ArrayLike) -> float:
    """The rate of errors at the limit where as large a share of both is wrong, from 0 to 1.

    `genuine` and `synthetic` are scores, shape (examples,). Synthetic ones should be higher. Between two limits, the
    rates are taken as linear.
    """
    low, high = np.sort(np.asarray(genuine, np.float64)), np.sort(np.asarray(synthetic, np.float64))
    limits = np.concatenate([np.unique(np.concatenate([low, high])), [np.inf]])
    false = 1 - np.searchsorted(low, limits) / low.size
    missed = np.searchsorted(high, limits) / high.size
    at = int(np.argmax(missed >= false))
    if at == 0:
        return float(missed[0])
    before, after = false[at - 1] - missed[at - 1], missed[at] - false[at]
    share = before / (before + after)
    return float(missed[at - 1] + share * (missed[at] - missed[at - 1]))
