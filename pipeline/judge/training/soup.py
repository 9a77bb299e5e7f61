"""Several trained models as one: the mean of their weights (Wortsman et al. 2022, "Model soups").

Runs that start with the same weights end near one another: the mean of their weights does about what the mean of
their scores would, at the price of one model.
"""

from collections.abc import Sequence

import torch
from transformers import BertForSequenceClassification


def mean(models: Sequence[BertForSequenceClassification]) -> BertForSequenceClassification:
    """Put the mean of all weights into the first of `models`; they have the same names and shapes."""
    first = models[0]
    states = [model.state_dict() for model in models]
    with torch.no_grad():
        for name, parameter in first.named_parameters():
            parameter.copy_(torch.stack([state[name] for state in states]).mean(dim=0))
    return first
