"""Computes gradients of a batch in threads. With one core each, they are twice as fast as PyTorch's own threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor
from torch.nn import Parameter


class Gradients:
    """Each thread runs forward and backward on its own part of a batch, with the same weights."""

    def __init__(self, parameters: Sequence[Parameter], workers: int) -> None:
        torch.set_num_threads(1)
        self._parameters = parameters
        self._pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))

    def of(self, losses: Sequence[Callable[[], Tensor]]) -> float:
        """Sum the gradients of `losses` into the parameters; returns the sum of the losses."""
        found = [*self._pool.map(self._of_part, losses)]
        for parameter, *gradients in zip(self._parameters, *(gradients for _, gradients in found), strict=True):
            parameter.grad = gradients[0]
            for other in gradients[1:]:
                parameter.grad += other
        return sum(loss for loss, _ in found)

    def _of_part(self, part: Callable[[], Tensor]) -> tuple[float, tuple[Tensor, ...]]:
        loss = part()
        return loss.item(), torch.autograd.grad(loss, self._parameters)
