"""During training, pieces that sound alike share a part of their embedding, so each learns from the others.

The idea is from ChineseBERT (Sun et al. 2021). Here the sum is saved, so the model is no larger and no slower.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.judge.pinyin_model import syllable
from pipeline.speech.languages.zh.script import has_han

SYLLABLES = 4
"""How many syllables of a piece count, from the first."""
PLACES = 3
"""A syllable has its own vector as the first, the second, and a later one of its piece."""


class HomophoneEmbedding(torch.nn.Embedding):
    """The embedding `rows`, shape (pieces, width), plus the vectors of each piece's syllables, which start at 0."""

    _syllables: Tensor

    def __init__(self, rows: Tensor, pieces: Sequence[str], padding_idx: int | None) -> None:
        super().__init__(len(rows), rows.shape[1], padding_idx, _weight=rows)
        numbers: dict[tuple[int, str], int] = {}
        table = torch.tensor([_numbered(piece, numbers) for piece in pieces])
        self.register_buffer("_syllables", table, persistent=False)
        self.sounds = torch.nn.Parameter(torch.zeros(len(numbers) + 1, rows.shape[1]))

    def forward(self, ids: Tensor) -> Tensor:
        return super().forward(ids) + self._sound(ids)

    def _sound(self, ids: Tensor) -> Tensor:
        return torch.nn.functional.embedding(self._syllables[ids], self.sounds, padding_idx=0).sum(-2)

    def _save_to_state_dict(self, destination: dict[str, Tensor], prefix: str, keep_vars: bool) -> None:
        """Saves the sum, as a standard embedding."""
        whole = self.weight + self._sound(torch.arange(len(self.weight)))
        destination[prefix + "weight"] = whole if keep_vars else whole.detach()


def _numbered(piece: str, numbers: dict[tuple[int, str], int]) -> list[int]:
    """The number of each syllable, from 1, with numbers added for new ones; 0 if there is none."""
    found = [
        numbers.setdefault((min(place, PLACES - 1), syllable(char)), len(numbers) + 1)
        for place, char in enumerate([char for char in piece if has_han(char)][:SYLLABLES])
    ]
    return found + [0] * (SYLLABLES - len(found))
