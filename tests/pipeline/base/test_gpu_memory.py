"""A batch follows the free memory of a GPU, and is halved if that is too small after all."""

from collections.abc import Callable, Sequence
from typing import NoReturn

import pytest
import torch

from pipeline.base.errors import DependencyError
from pipeline.base.gpu_memory import in_batches, most_at_once, to_device

MIB = 1 << 20
GPU = torch.device("cuda", 1)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU with 96 MiB that nobody uses, and 32 of 64 MiB that PyTorch keeps and does not use."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (96 * MIB, 200 * MIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 64 * MIB)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 32 * MIB)


@pytest.mark.parametrize(("size", "most"), [(MIB, 64), (48 * MIB, 1), (500 * MIB, 1)])
def test_a_batch_takes_half_of_the_free_memory(memory: None, size: int, most: int) -> None:
    assert most_at_once(GPU, size, on_cpu=3) == most


def test_a_cpu_has_its_own_number() -> None:
    assert most_at_once(torch.device("cpu"), MIB, on_cpu=3) == 3


class Scarce:
    """Work for which the memory takes so many items."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.sizes: list[int] = []

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.sizes.append(len(items))
        if len(items) > self._room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return [2 * item for item in items]


def test_batches_are_halved_until_they_fit() -> None:
    work = Scarce(room=3)
    assert in_batches(work, range(10), most=8) == [2 * item for item in range(10)]
    assert work.sizes == [8, 4, 2, 2, 2, 2, 2]


def test_an_item_that_does_not_fit_alone_is_an_error() -> None:
    with pytest.raises(DependencyError, match=r"The device is out of memory\. Use a smaller model"):
        in_batches(Scarce(room=0), [1, 2], most=2)


def test_a_model_that_does_not_fit_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> NoReturn:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB.")

    model = torch.nn.Linear(1, 1)
    assert to_device(model, "cpu:0") is model
    monkeypatch.setattr(model, "to", full)
    with pytest.raises(DependencyError, match="The device is out of memory"):
        to_device(model, "cuda")


def test_a_gpu_that_failed_is_unusable_and_no_fault_of_an_utterance(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch raises the same error for each later use of the GPU, also when it is asked for its memory."""

    def fail(*_: object) -> NoReturn:
        raise torch.AcceleratorError("CUDA error: unspecified launch failure\nCUDA kernel errors might")

    model = torch.nn.Linear(1, 1)
    monkeypatch.setattr(torch.cuda, "mem_get_info", fail)
    monkeypatch.setattr(model, "to", fail)
    uses: list[Callable[[], object]] = [
        lambda: most_at_once(GPU, 1, 1),
        lambda: in_batches(fail, [1, 2], 2),
        lambda: to_device(model, "cuda"),
    ]
    for use in uses:
        with pytest.raises(DependencyError, match=r"The GPU failed: CUDA error: unspecified launch failure\. Restart"):
            use()


def test_nothing_is_no_work() -> None:
    work = Scarce(room=1)
    assert (in_batches(work, [], most=2), work.sizes) == ([], [])
