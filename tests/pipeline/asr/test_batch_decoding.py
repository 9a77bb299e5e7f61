import torch

from pipeline.asr.batch_decoding import NoRepeat, WithinContext


def allowed(logits: torch.Tensor) -> list[list[int]]:
    return [row.isfinite().nonzero().flatten().tolist() for row in logits]


def test_no_time_beyond_the_context() -> None:
    logits = torch.zeros(2, 6)
    WithinContext(3).apply(logits, torch.zeros(2, 1))
    assert allowed(logits) == [[0, 1, 2, 3]] * 2


def test_a_run_is_not_written_twice_in_a_row_of_the_batch() -> None:
    """Three are a run; 7 stands before the text, 5 is no text and may always come."""
    rows = torch.tensor([[7, 1, 2, 3, 1, 2], [7, 1, 2, 5, 1, 2], [7, 1, 2, 3, 3, 2]])
    logits = torch.zeros(3, 6)
    NoRepeat(3, begin=1, end_of_text=5).apply(logits, rows)
    assert allowed(logits) == [[0, 1, 2, 4, 5], [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]]


def test_nothing_is_barred_from_a_short_text() -> None:
    logits = torch.zeros(1, 6)
    NoRepeat(3, begin=1, end_of_text=5).apply(logits, torch.tensor([[7, 1]]))
    assert allowed(logits) == [[0, 1, 2, 3, 4, 5]]
