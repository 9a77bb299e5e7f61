"""Batches that fit the memory of a GPU, and its faults. Imports PyTorch."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch

from pipeline.base.errors import DependencyError

T = TypeVar("T")
R = TypeVar("R")
M = TypeVar("M", bound=torch.nn.Module)

SHARE = 0.5
"""The share of the free memory that a batch may take. Sizes are estimates, and other processes use the GPU, too."""


@contextmanager
def gpu_faults() -> Iterator[None]:
    """Raises DependencyError if the GPU itself fails."""
    # Only a new process can use the GPU again. With any other error, each utterance would become a dead letter.
    try:
        yield
    except torch.AcceleratorError as error:
        fault = str(error).partition("\n")[0].rstrip(".")
        raise DependencyError(f"The GPU failed: {fault}", "Restart the process, and look for Xid in dmesg.") from error


@gpu_faults()
def to_device(model: M, device: str) -> M:
    """`model` on `device`. Raises DependencyError if its memory is too small, or if it fails."""
    try:
        return model.to(device)
    except torch.OutOfMemoryError as error:
        raise _too_small() from error


@gpu_faults()
def most_at_once(device: torch.device, size: int, on_cpu: int) -> int:
    """How many items of `size` bytes fit the free memory of `device`, at least 1; `on_cpu` for the CPU."""
    if device.type != "cuda":
        return on_cpu
    free, _ = torch.cuda.mem_get_info(device)
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # by PyTorch, for later use
    return max(1, int(SHARE * (free + kept)) // size)


@gpu_faults()
def in_batches(work: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T], most: int) -> list[R]:
    """The results of `work` for batches of `most` items. Batches for which the memory is too small are halved.

    Raises DependencyError if the memory is too small for one item, or if the GPU fails.
    """
    found: list[R] = []
    while len(found) < len(items):
        batch = items[len(found) : len(found) + most]
        try:
            found += work(batch)
        except torch.OutOfMemoryError as error:
            if len(batch) == 1:
                raise _too_small() from error
        else:
            continue
        # Here the error is gone, and with it what it held in memory.
        torch.cuda.empty_cache()
        most = len(batch) // 2
    return found


def _too_small() -> DependencyError:
    return DependencyError("The device is out of memory", "Use a smaller model, or leave it more memory.")
