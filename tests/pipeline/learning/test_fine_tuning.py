"""Parts of a batch in threads have the gradient of the whole batch."""

from collections.abc import Sequence
from random import Random

import pytest
import torch
from torch.nn import Linear

from pipeline.learning.fine_tuning import RISK_WEIGHT, Batch, Gradients, batches, losses, masked_loss, targets_of
from pipeline.learning.starting_model import wrapped
from pipeline.learning.training_rows import LABELS, OUTPUTS, RISK, Row, negative, positive
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


MIXED_ROWS = [
    Row("no " * (1 + n % 7) + str(n), "en", positive("abuse") if n % 3 else negative("hate")) for n in range(90)
]
MIXED_TEXTS = [row.text for row in MIXED_ROWS]


def read(size: int, max_tokens: int = 32, seed: int = 1) -> list[Batch]:
    tokenizer = wrapped(tiny.encoder(MIXED_TEXTS).tokenizer)
    return list(batches(MIXED_ROWS, tokenizer, size, max_tokens, lambda row: row.text, Random(seed)))  # noqa: S311


def test_missing_annotations_have_no_gradient() -> None:
    rows = [Row("x", "en", {"abuse": 1.0}), Row("y", "en", {"hate": 0.0, "risk": 1.0})]
    logits = torch.zeros(2, len(OUTPUTS), requires_grad=True)
    masked_loss(logits, *targets_of(rows)).backward()
    assert logits.grad is not None
    moved = {(row, OUTPUTS[int(column)]) for row, column in logits.grad.nonzero().tolist()}
    assert moved == {(0, "abuse"), (1, "hate"), (1, "risk")}


def test_a_batch_without_annotations_has_no_loss() -> None:
    targets, weights = targets_of([Row("x", "en", {})])
    assert masked_loss(torch.ones(1, len(OUTPUTS)), targets, weights).item() == 0


def test_a_rows_weight_counts_and_risk_counts_more() -> None:
    targets, weights = targets_of([Row("x", "en", {"abuse": 0.25, RISK: 1.0}, weight=0.5)])
    abuse, risk = OUTPUTS.index("abuse"), OUTPUTS.index(RISK)
    assert {at: value for at, value in enumerate(targets[0].tolist()) if value} == {abuse: 0.25, risk: 1.0}
    assert {at: value for at, value in enumerate(weights[0].tolist()) if value} == {abuse: 0.5, risk: 0.5 * RISK_WEIGHT}


def test_the_loss_is_the_weighted_mean_of_the_annotated_outputs() -> None:
    rows = [Row("x", "en", dict.fromkeys(LABELS, 0.0), weight=3.0), Row("y", "en", dict.fromkeys(LABELS, 1.0))]
    logits = torch.full((2, len(OUTPUTS)), 2.0)
    one, other = torch.nn.functional.softplus(torch.tensor([2.0, -2.0])).tolist()
    assert masked_loss(logits, *targets_of(rows)).item() == pytest.approx((3 * one + other) / 4)


@pytest.mark.parametrize("size", [1, 7, 16, 100])
def test_batches_hold_every_row_once(size: int) -> None:
    found = read(size)
    assert all(len(batch.input_ids) <= size for batch in found)
    assert sum(len(batch.input_ids) for batch in found) == len(MIXED_ROWS)
    assert sum(batch.targets[:, OUTPUTS.index("abuse")].sum().item() for batch in found) == 60


def test_a_rows_tokens_stay_with_its_targets() -> None:
    tokenizer = wrapped(tiny.encoder(MIXED_TEXTS).tokenizer)
    expected = {row.text.strip(): row.labels.get("abuse", 0.0) for row in MIXED_ROWS}
    for batch in read(16):
        for ids, targets in zip(batch.input_ids, batch.targets, strict=True):
            text = tokenizer.decode(ids, skip_special_tokens=True).replace("▁", "").strip()
            assert expected[text] == targets[OUTPUTS.index("abuse")]


def test_rows_of_similar_length_share_a_batch_and_padding_is_masked() -> None:
    found = read(16)
    lengths = [batch.attention_mask.sum(dim=1) for batch in found]
    assert sum((each.max() - each).sum().item() for each in lengths) < 0.1 * sum(each.sum().item() for each in lengths)
    for batch in found:
        assert ((batch.input_ids == 1) == (batch.attention_mask == 0)).all()


def test_long_texts_are_truncated() -> None:
    assert max(batch.input_ids.shape[1] for batch in read(16, max_tokens=5)) == 5


def test_the_order_of_the_batches_depends_on_the_seed() -> None:
    one, same, other = ([batch.input_ids.tolist() for batch in read(8, seed=seed)] for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize("skipped", [1, 49, 50, 51, 90])
def test_skipped_batches_change_no_later_one(skipped: int) -> None:
    """Also if the random errors and the order go on from chunk to chunk. Skipped rows are not taught."""
    everything, rest = (noisy(count) for count in (0, skipped))
    assert len(rest[0]) == 90 - skipped
    assert rest[0] == everything[0][skipped:]
    assert everything[1] == 90
    assert rest[1] == {1: 90, 49: 90, 50: 40, 51: 40, 90: 0}[skipped]


def noisy(skipped: int) -> tuple[list[object], int]:
    """The batches of one row each with a random error, and the number of rows that were taught."""
    random, errors = Random(1), Random(2)  # noqa: S311
    taught: list[Row] = []

    def teach(rows: Sequence[Row]) -> Sequence[Row]:
        taught.extend(rows)
        return rows

    def hear(row: Row) -> str:
        return row.text[errors.randrange(5) :]

    tokenizer = wrapped(tiny.encoder(MIXED_TEXTS).tokenizer)
    found = batches(MIXED_ROWS, tokenizer, 1, 32, hear, random, teach=teach, skipped=skipped)
    return [(batch.input_ids.tolist(), batch.targets.tolist()) for batch in found], len(taught)
