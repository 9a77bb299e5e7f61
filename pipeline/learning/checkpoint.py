"""The state of an unfinished fine-tuning in a file, so that another process can go on from it."""

import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import torch

EVERY = 600.0
"""Seconds between two writes. A stop loses at most these."""


class Checkpoint:
    """A file with parameters, optimizer and number of steps. It changes as a whole.

    It holds no state of a random generator: the batches are drawn again from the seed, and the model has no dropout.
    """

    def __init__(self, path: str | Path, clock: Callable[[], float] = monotonic) -> None:
        """`clock` gives seconds."""
        self._path = Path(path)
        self._clock = clock
        self._written = clock()

    def restore(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
        """Set the saved state. Returns the finished steps and the loss since the last report: 0 without a file."""
        if not self._path.is_file():
            return 0, 0.0
        state = torch.load(self._path, weights_only=True)
        with torch.no_grad():
            for parameter, saved in zip(model.parameters(), state["parameters"], strict=True):
                parameter.copy_(saved)
        optimizer.load_state_dict(state["optimizer"])
        return state["step"], state["loss"]

    def update(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer, step: int, loss: float) -> None:
        """Write the state, if `EVERY` seconds have passed since the last write."""
        if self._clock() - self._written < EVERY:
            return
        # Not `state_dict`, where an embedding during training may save a sum of its parameters.
        parameters = [parameter.detach() for parameter in model.parameters()]
        state = {"parameters": parameters, "optimizer": optimizer.state_dict(), "step": step, "loss": loss}
        part = self._path.with_suffix(".part")
        with part.open("wb") as file:
            torch.save(state, file)
            os.fsync(file.fileno())  # else a power failure after the renaming could leave an empty file
        part.replace(self._path)
        self._written = self._clock()
