"""Parts of a batch in threads have the gradient of the whole batch."""

from random import Random

import pytest
import torch
from torch.nn import Linear

from pipeline.learning.batches import batches
from pipeline.learning.gradients import Gradients
from pipeline.learning.loop import losses
from pipeline.learning.model import wrapped
from pipeline.learning.rows import Row, positive
from tests.training.classifier import tiny

ROWS = [Row(f"you are a stupid idiot number {n}", "en", positive("abuse")) for n in range(30)]
TEXTS = [row.text for row in ROWS]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_sums_are_those_of_one_thread(workers: int) -> None:
    torch.manual_seed(1)
    layer, parts = Linear(4, 3), [torch.randn(8, 4) for _ in range(4)]
    whole = torch.stack([layer(part).square().sum() for part in parts]).sum()
    expected = torch.autograd.grad(whole, [*layer.parameters()])
    for _ in range(2):  # a second batch starts from zero
        found = Gradients([*layer.parameters()], workers).of([lambda p=part: layer(p).square().sum() for part in parts])  # type: ignore[misc]
        assert found == pytest.approx(whole.item(), rel=1e-5)
        for parameter, gradient in zip(layer.parameters(), expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient)


def test_an_error_in_a_part_reaches_the_caller() -> None:
    def broken() -> torch.Tensor:
        raise ValueError("no rows")

    with pytest.raises(ValueError, match="no rows"):
        Gradients([*Linear(2, 2).parameters()], 2).of([broken])


def test_threads_compute_the_gradient_of_the_whole_batch() -> None:
    torch.manual_seed(1)
    model, tokenizer = tiny.encoder(TEXTS).model, wrapped(tiny.encoder(TEXTS).tokenizer)
    (batch,) = batches(ROWS, tokenizer, 64, 32, lambda row: row.text, Random(1))  # noqa: S311
    means, gradients = [], []
    for workers in (1, 2, 3):
        means.append(Gradients([*model.parameters()], workers).of(losses(model, batch, workers)))
        gradients.append(
            torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])
        )
    assert means == pytest.approx([means[0]] * 3, rel=1e-2)
    for gradient in gradients[1:]:
        assert torch.cosine_similarity(gradient, gradients[0], dim=0) > 0.999
