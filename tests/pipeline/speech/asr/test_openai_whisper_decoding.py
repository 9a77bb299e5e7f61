import math
from types import SimpleNamespace

import pytest
import torch
from whisper.decoding import ApplyTimestampRules

from pipeline.speech.asr.openai_whisper_decoding import Beam, NoRepeat, TimestampRules, WithinContext


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


FIRST, END, NONE, BEGIN = 30, 20, 29, 2
"""The first timestamp, the end of text, the token that forbids timestamps, and the length of the prompt."""


@pytest.mark.parametrize("length", range(5))
def test_the_rules_of_timestamps_are_whispers_own(length: int) -> None:
    """Rows have texts and rising timestamps in any order, and the decoder is unsure of the next token."""
    random = torch.Generator().manual_seed(length)
    tokens = torch.randint(1, 20, (64, BEGIN + length), generator=random)
    stamps = torch.randint(FIRST, FIRST + 60, (64, length), generator=random).sort(1).values
    written = torch.where(torch.rand(64, length, generator=random) < 0.5, stamps, tokens[:, BEGIN:])
    tokens = torch.cat([tokens[:, :BEGIN], written], 1)
    whispers = 2 * torch.randn(64, 100, generator=random)
    ours = whispers.clone()
    TimestampRules(FIRST, END, NONE, BEGIN).apply(ours, tokens)
    tokenizer = SimpleNamespace(timestamp_begin=FIRST, eot=END, no_timestamps=NONE)
    ApplyTimestampRules(tokenizer, BEGIN, TimestampRules.LATEST).apply(whispers, tokens)
    torch.testing.assert_close(ours, whispers)


class Chain:
    """A decoder that gives each token the same chances after the last one, and remembers which rows it keeps."""

    kv_modules = ("keys",)

    def __init__(self, chances: torch.Tensor, rows: int) -> None:
        self._chances = chances.log()
        self.kv_cache = {"keys": torch.arange(rows)}

    def logits(self, tokens: torch.Tensor) -> torch.Tensor:
        return self._chances[tokens[:, -1]]


CHANCES = torch.tensor(
    [
        [0.01, 0.49, 0.30, 0.20],  # after 0, the start
        [0.40, 0.05, 0.25, 0.30],
        [0.05, 0.05, 0.05, 0.85],
        [0.25, 0.25, 0.25, 0.25],  # after 3, the end of text
    ]
)


def search(size: int, clips: int, steps: int) -> list[list[tuple[float, list[int]]]]:
    start = torch.zeros(clips * size, 1, dtype=torch.long)
    model = Chain(CHANCES, clips * size)
    beam, tokens, scores, done = Beam(size, 3, 1, model), start, torch.zeros(clips * size), False
    beam.reset()
    for _ in range(steps):
        if not done:
            tokens, done = beam.update(tokens, model.logits(tokens), scores)
    ended = beam.finalize(tokens.unflatten(0, (clips, size)), scores.unflatten(0, (clips, size)))
    return [[(round(math.exp(score), 4), row[1:].tolist()) for score, row in each] for each in ended]


def test_a_beam_finds_what_is_likelier_than_the_first_choice() -> None:
    """1 is the likeliest first token, but 2 has a surer end."""
    (found,) = search(2, 1, 6)
    assert sorted(found, reverse=True) == [(0.255, [2]), (0.147, [1])]
    assert search(2, 3, 6) == [found] * 3


def test_one_hypothesis_is_the_greedy_choice() -> None:
    assert search(1, 2, 1) == [[(0.49, [1])]] * 2


def test_hypotheses_without_an_end_fill_the_beam() -> None:
    (found,) = search(2, 1, 1)
    assert found == [(0.49, [1]), (0.3, [2])]
