"""Pieces that sound alike share a part of their embedding while it is trained: what one is taught, all of them know.

The idea is ChineseBERT's (Sun et al. 2021). Here the sum is what is saved, so a model is no larger and no slower.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.judge.sounds import syllable
from pipeline.languages.zh.pinyin import has_han

SYLLABLES = 4
"""Of a piece, from its first on, that count."""
PLACES = 3
"""A syllable sounds of its own as the first, the second or a later one of its piece."""


class Sounding(torch.nn.Embedding):
    """The embedding `rows`, shape (pieces, width), and to each of them what its syllables add, at first nothing."""

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
        """As an embedding that anything loads."""
        whole = self.weight + self._sound(torch.arange(len(self.weight)))
        destination[prefix + "weight"] = whole if keep_vars else whole.detach()


def _numbered(piece: str, numbers: dict[tuple[int, str], int]) -> list[int]:
    """The number of each syllable, new ones from 1 on; 0 where there is none."""
    found = [
        numbers.setdefault((min(place, PLACES - 1), syllable(char)), len(numbers) + 1)
        for place, char in enumerate([char for char in piece if has_han(char)][:SYLLABLES])
    ]
    return found + [0] * (SYLLABLES - len(found))
