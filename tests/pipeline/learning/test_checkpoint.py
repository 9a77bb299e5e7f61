"""A checkpoint is written every ten minutes, restores all that a training needs, and changes as a whole."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import Linear
from torch.optim import AdamW, Optimizer

from pipeline.learning.checkpoint import Checkpoint


def learn(model: Linear, optimizer: Optimizer, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.ones(2, 3)).square().sum().backward()
        optimizer.step()


def begun(seed: int = 1) -> tuple[Linear, Optimizer]:
    torch.manual_seed(seed)
    model = Linear(3, 2)
    return model, AdamW(model.parameters(), fused=True)


def at(*seconds: float) -> Callable[[], float]:
    return iter(seconds).__next__


def test_another_model_goes_on_from_the_file(tmp_path: Path) -> None:
    model, optimizer = begun()
    learn(model, optimizer, 3)
    Checkpoint(tmp_path / "state", at(0, 600, 601)).update(model, optimizer, 3, 0.1)
    learn(model, optimizer, 2)

    other, its = begun(seed=2)
    assert Checkpoint(tmp_path / "state").restore(other, its) == (3, 0.1)
    learn(other, its, 2)
    for found, expected in zip(other.parameters(), model.parameters(), strict=True):
        assert torch.equal(found, expected)


def test_without_a_file_nothing_is_restored(tmp_path: Path) -> None:
    model, optimizer = begun()
    assert Checkpoint(tmp_path / "state").restore(model, optimizer) == (0, 0.0)


def test_ten_minutes_lie_between_two_writes(tmp_path: Path) -> None:
    """The time of a write does not count."""
    times = (0, 599, 600, 620, 1219, 1220, 1230)
    checkpoint, written = Checkpoint(tmp_path / "state", at(*times)), []
    for step in (1, 2, 3, 4):
        checkpoint.update(*begun(), step, 0.0)
        written.append(Checkpoint(tmp_path / "state").restore(*begun())[0])
    assert written == [0, 2, 2, 4]


def test_a_write_that_fails_leaves_the_former_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint(tmp_path / "state", at(0, 600, 600, 1200))
    checkpoint.update(*begun(), 1, 0.0)

    def full(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.update(*begun(), 2, 0.0)
    assert Checkpoint(tmp_path / "state").restore(*begun())[0] == 1
