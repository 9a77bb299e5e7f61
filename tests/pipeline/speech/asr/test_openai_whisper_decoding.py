import torch

from pipeline.speech.asr.openai_whisper_decoding import NoRepeat, WithinContext


def allowed(logits: torch.Tensor) -> list[list[int]]:
    return [row.isfinite().nonzero().flatten().tolist() for row in logits]


def test_no_timestamp_after_the_context_is_allowed() -> None:
    logits = torch.zeros(2, 6)
    WithinContext(3).apply(logits, torch.zeros(2, 1))
    assert allowed(logits) == [[0, 1, 2, 3]] * 2


def test_a_sequence_is_not_repeated_within_a_hypothesis() -> None:
    """No sequence of three tokens may repeat. 7 precedes the text; 5 is not a text token and is always allowed."""
    rows = torch.tensor([[7, 1, 2, 3, 1, 2], [7, 1, 2, 5, 1, 2], [7, 1, 2, 3, 3, 2]])
    logits = torch.zeros(3, 6)
    NoRepeat(3, begin=1, end_of_text=5).apply(logits, rows)
    assert allowed(logits) == [[0, 1, 2, 4, 5], [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]]


def test_a_short_text_has_no_suppressed_tokens() -> None:
    logits = torch.zeros(1, 6)
    NoRepeat(3, begin=1, end_of_text=5).apply(logits, torch.tensor([[7, 1]]))
    assert allowed(logits) == [[0, 1, 2, 3, 4, 5]]
